"""Seconds per frame of every part of a run on this machine: from earlier runs, else from a probe; never guessed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robust_vos_bench.conditions import Condition
from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.runs.environment import package_versions
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import Manifest, UnitRecord, digest
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.atomic import write_bytes
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.version import __version__

EARLIER, PROBE, ALL = "earlier runs", "probe", "mean of all measured"


@dataclass(frozen=True)
class Timing:
    """What one part costs."""

    seconds: float
    """Per frame."""
    source: str
    """`EARLIER`, `PROBE`, or what it was taken over from ("like gaussian_noise", "mean of blur")."""
    mib: float = 0.0
    """Peak memory of a model's process (`EARLIER`), or what the model adds to it (`PROBE`)."""
    gpu_mib: float = 0.0


@dataclass(frozen=True)
class Timings:
    """All that is known; a part that is absent was not measured."""

    decode: Timing | None = None
    score: Timing | None = None
    corrupt: Mapping[Condition, Timing] = field(default_factory=dict)
    """Measured ones only."""
    models: Mapping[str, Timing] = field(default_factory=dict)
    base_mib: float = 0.0
    """Peak memory of a process that decodes, corrupts and scores, without a model."""
    mask_bytes: float = 0.0
    """Size of a saved mask."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Model or condition -> why it could not be measured."""

    def of_condition(self, condition: Condition, families: Mapping[str, str]) -> Timing | None:
        """The timing of a condition: its own, else the mean of its corruption's other severities, else of its family,
        else of everything that was measured; None where nothing was."""
        if condition.is_clean:
            return Timing(0.0, PROBE)
        if condition in self.corrupt:
            return self.corrupt[condition]
        name, family = condition.corruption, families.get(condition.corruption, "")
        alike = (
            (f"like {name}", [r for c, r in self.corrupt.items() if c.corruption == name]),
            (f"mean of {family}", [r for c, r in self.corrupt.items() if families.get(c.corruption) == family]),
            (ALL, list(self.corrupt.values())),
        )
        for source, timings in alike:
            if timings:
                return Timing(sum(rate.seconds for rate in timings) / len(timings), source)
        return None


@dataclass
class _Sums:
    """Over the units of one model."""

    frames: int = 0
    model: float = 0.0
    """Seconds of the model, as are those of scoring."""
    score: float = 0.0
    rss: float = 0.0
    """Largest peak, MiB."""
    gpu: float = 0.0

    def add(self, records: Iterable[UnitRecord]) -> None:
        """Count in some units."""
        for record in records:
            self.frames += record.frames
            self.model += record.seconds_model
            self.score += record.seconds_score
            self.rss, self.gpu = max(self.rss, record.peak_rss_mib), max(self.gpu, record.peak_gpu_mib)


def earlier_timings(plan: Plan, folder: Path, device: str) -> Timings:
    """Timings of the plan's models, of its conditions and of scoring, from this run directory and those beside it,
    where they ran on this kind of machine and device over the same data set."""
    versions = {m.record.name: m.record.adapter_version for m in plan.models}
    units: dict[str, _Sums] = defaultdict(_Sums)
    made: dict[tuple[str, str], tuple[float, int]] = {}
    """(condition, video) -> seconds that its frames took, frames: of the model that had them made."""
    for path in sorted({*folder.parent.glob("*/run.json"), *folder.glob("run.json")}):
        store = RunStore(path.parent)
        try:
            manifest = store.manifest()
        except DataError:  # a run of another version beside this one does not matter
            continue
        if manifest is None or manifest.dataset.name != plan.dataset.name or not (here := _made_here(manifest, device)):
            continue
        for model in manifest.models:
            if versions.get(model.name) == model.adapter_version:
                for condition in manifest.conditions:
                    records = store.records(condition.label, model.name).values()
                    found = [r for r in records if r.ok and r.frames and r.invocation in here]
                    if plan.condition_fingerprints.get(condition.label) == condition.fingerprint:
                        for r in found:
                            place = (condition.label, r.video)
                            made[place] = max(made.get(place, (0.0, 1)), (r.seconds_frames, r.frames))
                    units[model.name].add(found)
    models = {name: Timing(of.model / of.frames, EARLIER, of.rss, of.gpu) for name, of in units.items() if of.frames}
    frames = sum(of.frames for of in units.values())
    if not frames or device != "cpu":  # on a GPU, records hold only the time that the model waited
        return Timings(models=models)
    score = Timing(sum(of.score for of in units.values()) / frames, EARLIER)
    decode, corrupt = _making(plan, made)
    return Timings(decode, score, corrupt, models)


def _making(
    plan: Plan, made: Mapping[tuple[str, str], tuple[float, int]]
) -> tuple[Timing | None, dict[Condition, Timing]]:
    """What decoding costs, and what each condition costs on top, from the frames that earlier runs have made."""
    per_frame: dict[str, float] = {}
    for condition in plan.conditions:
        of = [found for (label, _), found in made.items() if label == condition.label]
        if of:
            per_frame[condition.label] = sum(seconds for seconds, _ in of) / sum(frames for _, frames in of)
    clean = next((c.label for c in plan.conditions if c.is_clean), "")
    if clean not in per_frame:
        return None, {}
    decode = per_frame[clean]
    corrupt = {
        c: Timing(max(per_frame[c.label] - decode, 0.0), EARLIER)
        for c in plan.conditions
        if not c.is_clean and c.label in per_frame
    }
    return Timing(decode, EARLIER), corrupt


def _made_here(manifest: Manifest, device: str) -> set[str]:
    """Ids of the invocations that computed on this kind of machine and device."""
    kind = device.partition(":")[0]
    here = (os.cpu_count(), f"{platform.system()} {platform.machine()}")
    return {
        i.id
        for i in manifest.invocations
        if i.environment.device.partition(":")[0] == kind and (i.environment.cpus, i.environment.system) == here
    }


class TimingCache:
    """What probes of this machine with these versions found, by item; a JSON file in the cache folder."""

    def __init__(self, device: str) -> None:
        machine = [platform.node(), platform.machine(), _cpu_name(), os.cpu_count(), device.partition(":")[0]]
        key = digest([machine, package_versions(), __version__])[:24]
        self.path = cache_folder() / "rates" / f"{key}.json"
        self.items: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self.path.read_text())
            self.items = {k: v for k, v in found.items() if isinstance(v, dict)}

    def save(self) -> None:
        """Write it; a cache that cannot be written only costs time."""
        with contextlib.suppress(OSError, RvosError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self.path, json.dumps(self.items, indent=1).encode(), durable=False)


def _cpu_name() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return platform.processor()


@dataclass(frozen=True)
class TimingKeys:
    """Cache keys of everything that a plan's timings stand on."""

    decode: str
    score: str
    corrupt: Mapping[Condition, str]
    models: Mapping[str, str]

    @classmethod
    def of(cls, plan: Plan, conditions: Sequence[Condition], size: tuple[int, int]) -> TimingKeys:
        """size: (H, W) of the sample video; all timings hold for this size."""
        shape = f"{size[0]}x{size[1]}"

        def key(*facts: object) -> str:
            return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]

        data = (plan.dataset.name, shape)
        records = [model.record for model in plan.models]
        return cls(
            decode=key("decode", *data),
            score=key("score", *data, plan.protocol, plan.protocol_version),
            corrupt={c: key("corrupt", shape, plan.condition_fingerprints[c.label]) for c in conditions},
            models={
                r.name: key("model", *data, r.name, r.adapter_version, sorted(r.options.items()), r.weights_sha256)
                for r in records
            },
        )


def known_timings(items: TimingKeys, cache: TimingCache, earlier: Timings) -> Timings:
    """Everything known, earlier runs first."""

    def rate(key: str) -> Timing | None:
        found = cache.items.get(key, {})
        if "seconds" not in found:
            return None
        return Timing(found["seconds"], PROBE, found.get("mib", 0.0), found.get("gpu_mib", 0.0))

    models = {name: found for name, key in items.models.items() if (found := rate(key)) is not None}
    named = {c.label: key for c, key in items.corrupt.items()}
    named |= {name: key for name, key in items.models.items() if name not in earlier.models}
    decoded = cache.items.get(items.decode, {})
    return Timings(
        decode=earlier.decode or rate(items.decode),
        score=earlier.score or rate(items.score),
        corrupt={
            **{c: found for c, key in items.corrupt.items() if (found := rate(key)) is not None},
            **earlier.corrupt,
        },
        models={**models, **earlier.models},
        base_mib=float(decoded.get("mib", 0.0)),
        mask_bytes=float(decoded.get("mask_bytes", 0.0)),
        failures={name: f["failed"] for name, key in named.items() if "failed" in (f := cache.items.get(key, {}))},
    )
