"""What a run will cost, from measured rates; where a part was not measured, nothing is made up for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.conditions import Condition
from robust_vos_bench.datasets import Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.runs.cost.probe import probe
from robust_vos_bench.runs.cost.timings import EARLIER, Items, RateCache, Rates, assemble, earlier_rates
from robust_vos_bench.runs.plan import Plan, Unit

RECORD_BYTES = 2_500
"""A unit's record and its scores by frame, rounded up from real runs of 70-frame videos."""
DRIVER_MIB = 150.0
"""The process that hands out work and writes, without a model of its own; measured."""


@dataclass(frozen=True)
class Workers:
    """Who will work."""

    lanes: int
    """Model processes."""
    producers: int = 0
    """Processes a lane that make frames ahead of the model."""
    device: str = "cpu"
    cores: int = 1


@dataclass(frozen=True)
class Estimate:
    """Frames and disk are exact or nearly so; hours and memory are of the measured models, None where there is none or
    the making of frames was not measured."""

    frames: int
    """Frames to segment."""
    device_hours: float | None
    """Of inference, all models and devices together."""
    wall_hours: float | None
    parts: Mapping[str, float]
    """Hours of work by part: "decode", "corrupt", "models", "score"; measured parts only."""
    bottleneck: str
    """One sentence, "" where it cannot be told."""
    disk_mib: float
    """What stays: records, and masks if they are saved."""
    scratch_mib: float
    """What clips take in the temporary folder while they are worked on, at most."""
    memory_mib: float | None
    """Peak of all processes together, from short clips: memory networks may need more on long videos."""
    gpu_mib: float | None
    unmeasured: tuple[str, ...]
    """Models without a rate, each with the reason; they are not in the hours and the memory."""
    sources: Mapping[str, str]
    """Part -> how its rate came about."""


def estimate(
    plan: Plan,
    pending: Sequence[Unit],
    folder: Path,
    workers: Workers,
    may_probe: bool = True,
    say: Callable[[str], None] | None = None,
) -> Estimate:
    """Cost of the pending units with these workers.

    Rates are those of earlier runs beside `folder`, else of the probe of this machine, which is made here for what
    the cache lacks (`may_probe`); `say` is told before that, for it takes its time.
    """
    videos: dict[str, Video] = {}
    for name in dict.fromkeys(video for _, _, video in pending):
        with suppress(RvosError, OSError):  # a damaged video fails when it is its turn, and costs nothing
            videos[name] = plan.dataset.video(name)
    pending = [unit for unit in pending if unit[2] in videos]
    lengths = {name: len(video) for name, video in videos.items()}
    if not pending:
        return cost(plan, pending, lengths, {}, Rates(), workers)
    mean = sum(len(v.object_ids) * lengths[n] for n, v in videos.items()) / sum(lengths.values())
    typical = min(videos, key=lambda name: abs(len(videos[name].object_ids) - mean))
    sizes = {name: video.size for name, video in videos.items()}
    conditions = [c for c in dict.fromkeys(c for _, c, _ in pending) if not c.is_clean]
    items = Items.of(plan, conditions, sizes[typical])
    cache = RateCache(workers.device)
    earlier = earlier_rates(plan, folder, workers.device)
    if may_probe:
        probe(plan, conditions, typical, workers.device, items, cache, known=tuple(earlier.models), say=say)
    return cost(plan, pending, lengths, sizes, assemble(items, cache, earlier), workers)


def cost(
    plan: Plan,
    pending: Sequence[Unit],
    lengths: Mapping[str, int],
    sizes: Mapping[str, tuple[int, int]],
    rates: Rates,
    workers: Workers,
) -> Estimate:
    """The arithmetic. lengths: frames of each video; sizes: its (H, W). Rates are taken as equal for all videos."""
    clips: Counter[Condition] = Counter()
    for condition, video in {(c, v) for _, c, v in pending}:
        clips[condition] += lengths[video]
    models: Counter[str] = Counter()
    for model, _, video in pending:
        models[plan.models[model].record.name] += lengths[video]
    frames = sum(models.values())
    timed = {name: n for name, n in models.items() if name in rates.models}
    found = {c: rates.of_condition(c, plan.families) for c in clips}
    corrupt = None if None in found.values() else sum(r.seconds * clips[c] for c, r in found.items() if r is not None)
    unmeasured = tuple(f"{name}: {_reason(plan, rates, name)}" for name in models if name not in rates.models)
    parts = {
        "decode": None if rates.decode is None else rates.decode.seconds * sum(clips.values()),
        "corrupt": corrupt,
        "models": sum(rates.models[name].seconds * n for name, n in timed.items()) if timed else None,
        "score": None if rates.score is None else rates.score.seconds * sum(timed.values()),
    }
    known = {name: seconds for name, seconds in parts.items() if seconds is not None}
    wall, bottleneck = None, ""
    if len(known) == len(parts) and frames:
        wall, bottleneck = _wall(known, workers)
    side = max((a * b * 3 for a, b in sizes.values()), default=0)
    longest = max((lengths[name] for _, _, name in pending), default=0)
    spooled = workers.lanes * (3 if workers.producers else int(len(plan.models) > 1))
    masks = frames * rates.mask_bytes if plan.save_masks else 0
    return Estimate(
        frames=frames,
        device_hours=known["models"] / 3600 if "models" in known else None,
        wall_hours=None if wall is None else wall / 3600,
        parts={name: seconds / 3600 for name, seconds in known.items()},
        bottleneck=bottleneck,
        disk_mib=(len(pending) * RECORD_BYTES + masks) / 2**20,
        scratch_mib=spooled * longest * side / 2**20,
        memory_mib=_memory(rates, list(timed), workers) if timed else None,
        gpu_mib=sum(rates.models[name].gpu_mib for name in timed) if timed else None,
        unmeasured=unmeasured,
        sources=_sources(rates, found, models),
    )


def _wall(seconds: Mapping[str, float], workers: Workers) -> tuple[float, str]:
    """(wall seconds, what decides them)."""
    making = seconds["decode"] + seconds["corrupt"]
    if not workers.producers:
        total = sum(seconds.values())
        part = max(seconds, key=lambda name: seconds[name])
        return total / workers.lanes, f"{part} ({100 * seconds[part] / total:.0f} % of the work)"
    # Frames are made and masks are scored beside the model; on a CPU all of them share the cores.
    lane = max(seconds["models"], seconds["score"]) / workers.lanes
    feed = making / (workers.producers * workers.lanes)
    on_cores = making + seconds["score"] + (seconds["models"] if workers.device == "cpu" else 0.0)
    crowd = on_cores / workers.cores
    wall = max(lane, feed, crowd)
    need = math.ceil(making / workers.lanes / lane) if lane else 1
    if wall == lane:
        slow = "models" if seconds["models"] >= seconds["score"] else "score"
        return wall, f"{slow} ({workers.producers} producers a device suffice; {need} would)"
    part = "corrupt" if seconds["corrupt"] >= seconds["decode"] else "decode"
    where = f"{workers.cores} cores are too few" if wall == crowd else f"--producers {need} would keep up"
    return wall, f"{part}: models would wait {100 * (1 - lane / wall):.0f} % of the time ({where})"


def _memory(rates: Rates, names: Sequence[str], workers: Workers) -> float:
    """Every lane holds all models; a rate of an earlier run tells the whole process, one of the probe what is added."""
    whole = max((rates.models[n].mib for n in names if rates.models[n].source == EARLIER), default=0.0)
    added = sum(rates.models[n].mib for n in names if rates.models[n].source != EARLIER)
    lane = max(whole, rates.base_mib) + added
    return workers.lanes * (lane + workers.producers * rates.base_mib) + DRIVER_MIB


def _reason(plan: Plan, rates: Rates, name: str) -> str:
    absent = next((m.absent for m in plan.models if m.record.name == name), "")
    return absent or rates.failures.get(name) or "not measured yet; the next --dry-run goes on with it"


def _sources(rates: Rates, found: Mapping[Condition, object], models: Mapping[str, int]) -> dict[str, str]:
    sources: dict[str, str] = {}
    for part, rate in (("decode", rates.decode), ("score", rates.score)):
        if rate is not None:
            sources[part] = f"{1000 * rate.seconds:.1f} ms a frame ({rate.source})"
    for name in models:
        if name in rates.models:
            sources[name] = f"{1000 * rates.models[name].seconds:.1f} ms a frame ({rates.models[name].source})"
    conditions = [c for c in found if not c.is_clean]
    for condition, rate in rates.corrupt.items():
        if condition in found:
            sources[condition.label] = f"{1000 * rate.seconds:.1f} ms a frame ({rate.source})"
    taken = len([c for c in conditions if c not in rates.corrupt])
    if taken:
        sources["other conditions"] = f"{taken} of {len(conditions)}: as their corruption's, else their family's mean"
    return sources
