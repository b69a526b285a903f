"""What a run will cost, from measured timings; parts that were not measured are left out and named."""

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
from robust_vos_bench.models import find_entry
from robust_vos_bench.models.gpu_memory import gpu_gib
from robust_vos_bench.runs.cost.probe import probe
from robust_vos_bench.runs.cost.timings import (
    ALL,
    EARLIER,
    Timing,
    TimingCache,
    TimingKeys,
    Timings,
    earlier_timings,
    known_timings,
)
from robust_vos_bench.runs.plan import Plan, Unit

RECORD_BYTES = 2_500
"""A unit's record and its scores by frame, rounded up from real runs of 70-frame videos."""
DRIVER_MIB = 150.0
"""The process that hands out work and writes, without a model of its own; measured."""


@dataclass(frozen=True)
class Workers:
    """The processes of a run."""

    processes: int
    """Model processes."""
    producers: int = 0
    """Processes per model process that make frames ahead of it."""
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
    """Of one model process, as timed, else as measured before (`models.gpu_memory`); None where a model was neither."""
    unmeasured: tuple[str, ...]
    """Models without a timing, each with the reason; they are not part of the hours and the memory."""
    sources: Mapping[str, str]
    """Part -> its timing, and where that comes from."""
    guessed: int = 0
    """Conditions whose timing was taken from others."""


def estimate(
    plan: Plan,
    pending: Sequence[Unit],
    folder: Path,
    workers: Workers,
    may_probe: bool = True,
    say: Callable[[str], None] | None = None,
) -> Estimate:
    """Cost of the pending units with these workers.

    Timings are those of earlier runs beside `folder`, else of the probe of this machine, which is made here for what
    the cache lacks (`may_probe`); `say` is told before that.
    """
    videos: dict[str, Video] = {}
    for name in dict.fromkeys(video for _, _, video in pending):
        with suppress(RvosError, OSError):  # a damaged video fails when its turn comes, and costs nothing
            videos[name] = plan.dataset.video(name)
    pending = [unit for unit in pending if unit[2] in videos]
    lengths = {name: len(video) for name, video in videos.items()}
    if not pending:
        return cost(plan, pending, lengths, {}, Timings(), workers)
    mean = sum(len(v.object_ids) * lengths[n] for n, v in videos.items()) / sum(lengths.values())
    typical = min(videos, key=lambda name: abs(len(videos[name].object_ids) - mean))
    sizes = {name: video.size for name, video in videos.items()}
    conditions = [c for c in dict.fromkeys(c for _, c, _ in pending) if not c.is_clean]
    items = TimingKeys.of(plan, conditions, sizes[typical])
    cache = TimingCache(workers.device)
    earlier = earlier_timings(plan, folder, workers.device)
    if may_probe:
        probe(plan, conditions, typical, workers.device, items, cache, known=tuple(earlier.models), say=say)
    return cost(plan, pending, lengths, sizes, known_timings(items, cache, earlier), workers)


def cost(
    plan: Plan,
    pending: Sequence[Unit],
    lengths: Mapping[str, int],
    sizes: Mapping[str, tuple[int, int]],
    timings: Timings,
    workers: Workers,
) -> Estimate:
    """The arithmetic. lengths: frames of each video; sizes: its (H, W). Timings are taken as equal for all videos."""
    clips: Counter[Condition] = Counter()
    for condition, video in {(c, v) for _, c, v in pending}:
        clips[condition] += lengths[video]
    models: Counter[str] = Counter()
    for model, _, video in pending:
        models[plan.models[model].record.name] += lengths[video]
    frames = sum(models.values())
    timed = {name: n for name, n in models.items() if name in timings.models}
    found = {c: timings.of_condition(c, plan.families) for c in clips}
    corrupt = None if None in found.values() else sum(r.seconds * clips[c] for c, r in found.items() if r is not None)
    unmeasured = tuple(f"{name}: {_reason(plan, timings, name)}" for name in models if name not in timings.models)
    parts = {
        "decode": None if timings.decode is None else timings.decode.seconds * sum(clips.values()),
        "corrupt": corrupt,
        "models": sum(timings.models[name].seconds * n for name, n in timed.items()) if timed else None,
        "score": None if timings.score is None else timings.score.seconds * sum(timed.values()),
    }
    known = {name: seconds for name, seconds in parts.items() if seconds is not None}
    wall, bottleneck = None, ""
    if len(known) == len(parts) and frames:
        wall, bottleneck = _wall(known, workers)
    side = max((a * b * 3 for a, b in sizes.values()), default=0)
    longest = max((lengths[name] for _, _, name in pending), default=0)
    spooled = workers.processes * (3 if workers.producers else int(len(plan.models) > 1))
    masks = frames * timings.mask_bytes if plan.save_masks else 0
    return Estimate(
        frames=frames,
        device_hours=known["models"] / 3600 if "models" in known else None,
        wall_hours=None if wall is None else wall / 3600,
        parts={name: seconds / 3600 for name, seconds in known.items()},
        bottleneck=bottleneck,
        disk_mib=(len(pending) * RECORD_BYTES + masks) / 2**20,
        scratch_mib=spooled * longest * side / 2**20,
        memory_mib=_memory(timings, list(timed), workers) if timed else None,
        gpu_mib=_gpu_mib(plan, timings, list(models), workers.device),
        unmeasured=unmeasured,
        sources=_sources(timings, found, models),
        guessed=sum(not c.is_clean and c not in timings.corrupt for c in found),
    )


def _wall(seconds: Mapping[str, float], workers: Workers) -> tuple[float, str]:
    """(wall seconds, what decides them)."""
    making = seconds["decode"] + seconds["corrupt"]
    if not workers.producers:
        total = sum(seconds.values())
        part = max(seconds, key=lambda name: seconds[name])
        return total / workers.processes, f"{part} ({100 * seconds[part] / total:.0f} % of the work)"
    # Frames are made and masks are scored beside the model; on a CPU all of them share the cores.
    busiest = max(seconds["models"], seconds["score"]) / workers.processes
    frames = making / (workers.producers * workers.processes)
    on_cores = making + seconds["score"] + (seconds["models"] if workers.device == "cpu" else 0.0)
    shared = on_cores / workers.cores
    wall = max(busiest, frames, shared)
    need = math.ceil(making / workers.processes / busiest) if busiest else 1
    if wall == busiest:
        slow = "models" if seconds["models"] >= seconds["score"] else "score"
        return wall, f"{slow} (already saturated: {need} per device would be enough)"
    part = "corrupt" if seconds["corrupt"] >= seconds["decode"] else "decode"
    where = f"{workers.cores} cores are too few" if wall == shared else f"--producers {need} would keep up"
    return wall, f"{part}: models would wait {100 * (1 - busiest / wall):.0f} % of the time ({where})"


def _memory(timings: Timings, names: Sequence[str], workers: Workers) -> float:
    """Every process holds all models. A timing of an earlier run has the memory of the whole process, one of the probe
    what the model adds."""
    whole = max((timings.models[n].mib for n in names if timings.models[n].source == EARLIER), default=0.0)
    added = sum(timings.models[n].mib for n in names if timings.models[n].source != EARLIER)
    worker = max(whole, timings.base_mib) + added
    return workers.processes * (worker + workers.producers * timings.base_mib) + DRIVER_MIB


def _gpu_mib(plan: Plan, timings: Timings, names: Sequence[str], device: str) -> float | None:
    """Every process holds all models."""
    if device == "cpu":
        return sum(timings.models[name].gpu_mib for name in names if name in timings.models)
    total = 0.0
    for name in names:
        timed = timings.models[name].gpu_mib if name in timings.models else 0.0
        spec = next(m for m in plan.models if m.record.name == name)
        gib = None if timed else gpu_gib(find_entry(spec.name).card)
        if not timed and gib is None:
            return None
        total += timed or 1024 * (gib or 0.0)
    return total


def _reason(plan: Plan, timings: Timings, name: str) -> str:
    absent = next((m.absent for m in plan.models if m.record.name == name), "")
    return absent or timings.failures.get(name) or "not measured yet; the next --dry-run goes on with it"


def _taken_from(timing: Timing | None) -> str:
    """How a condition that was not timed is counted."""
    if timing is None:
        return "not counted, for nothing like it was"
    if timing.source.startswith("like "):
        return "as other severities of the corruption"
    return "as the mean of all that were" if timing.source == ALL else "as the mean of the family"


def _sources(timings: Timings, found: Mapping[Condition, Timing | None], models: Mapping[str, int]) -> dict[str, str]:
    sources: dict[str, str] = {}
    for part, rate in (("decode", timings.decode), ("score", timings.score)):
        if rate is not None:
            sources[part] = f"{1000 * rate.seconds:.1f} ms per frame ({rate.source})"
    for name in models:
        if name in timings.models:
            sources[name] = f"{1000 * timings.models[name].seconds:.1f} ms per frame ({timings.models[name].source})"
    conditions = [c for c in found if not c.is_clean]
    for condition, rate in timings.corrupt.items():
        if condition in found:
            sources[condition.label] = f"{1000 * rate.seconds:.1f} ms per frame ({rate.source})"
    others = Counter(_taken_from(found[c]) for c in conditions if c not in timings.corrupt)
    if others:
        words = ", ".join(f"{count} {how}" for how, count in others.items())
        sources["other conditions"] = f"{sum(others.values())} of {len(conditions)} were not timed: {words}"
    return sources
