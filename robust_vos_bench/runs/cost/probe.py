"""At most twenty seconds of measuring: decode, corrupt, segment and score a few frames of the planned data.

It runs in a separate process, as the work of a run does, and can be ended at any time: what was measured is kept.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from robust_vos_bench.conditions import Condition, corrupt_video
from robust_vos_bench.datasets import Frame, Mask, Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.runs.cost.timings import TimingCache, TimingKeys
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.work.process import ONE_THREAD, limit_threads, plain_main
from robust_vos_bench.system import memory
from robust_vos_bench.system.variables import environment

SECONDS = 20.0
"""Of a whole probe, the start of its process included."""
CORRUPT_SECONDS = 5.0
"""For the first corruptions; what is left after the models goes to the others."""
FRAMES = 8
"""Length of the sample clip; the first frames of every part are not timed."""
ENOUGH = 0.6
"""Seconds after which one part has been timed long enough."""


@dataclass(frozen=True)
class Task:
    """One thing to measure: its kind, its cache key and what it is about."""

    kind: str
    key: str
    subject: Any = None


def probe(
    plan: Plan,
    conditions: Sequence[Condition],
    video: str,
    device: str,
    items: TimingKeys,
    cache: TimingCache,
    known: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> bool:
    """Measure what the cache lacks and store it there; returns whether there was anything to measure.

    conditions: one of every family is sampled first. video: the sample. known: models that need no measuring;
    models without weights here are left out as well. A part that kills the process or takes all the time is stored as
    failed.
    """
    deadline = time.monotonic() + SECONDS
    tasks = [t for t in _tasks(plan, conditions, items, known) if t.key not in cache.items]
    if not any(t.kind in ("model", "decode", "score") for t in tasks) and not _new_family(
        plan, conditions, items, cache
    ):
        return False
    if say is not None:
        say(f"measuring this machine, {SECONDS:g} s at most (skip with --no-probe)")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with environment(ONE_THREAD), plain_main():
        child = context.Process(target=_measure, args=(theirs, plan, video, device, tasks), daemon=True)
        child.start()
    theirs.close()
    under_way, since = "", deadline
    try:
        while ours.poll(max(deadline - time.monotonic(), 0.0)):
            key, found = ours.recv()
            under_way, since = ("", deadline) if found is not None else (key, time.monotonic())
            if found is not None:
                cache.items[key] = {**cache.items.get(key, {}), **found}
    except (EOFError, OSError):
        pass
    died = time.monotonic() < deadline and bool(under_way)
    spent = time.monotonic() - since
    child.kill()
    child.join()
    if died:
        cache.items[under_way] = {"failed": "the process that measured it died"}
    elif under_way and spent > SECONDS / 4:  # with less time it was not really tried: the next probe begins with it
        cache.items[under_way] = {"failed": f"not done after {spent:.0f} s"}
    cache.save()
    return True


def _new_family(plan: Plan, conditions: Sequence[Condition], items: TimingKeys, cache: TimingCache) -> bool:
    """Whether a family has no condition yet that was measured or tried."""
    families = {plan.families[c.corruption] for c in conditions if not c.is_clean}
    return bool(families - {plan.families[c.corruption] for c, key in items.corrupt.items() if key in cache.items})


def _tasks(plan: Plan, conditions: Sequence[Condition], items: TimingKeys, known: Sequence[str]) -> Iterator[Task]:
    yield Task("decode", items.decode)
    chosen = sample(conditions, plan.families)
    families = len({plan.families[c.corruption] for c in chosen})
    for condition in chosen[:families]:
        yield Task("corrupt", items.corrupt[condition], condition)
    for model in plan.models:
        if not model.absent and model.record.name not in known:
            yield Task("model", items.models[model.record.name], model)
    yield Task("score", items.score)
    for condition in chosen[families:]:
        yield Task("more", items.corrupt[condition], condition)


def sample(conditions: Sequence[Condition], families: Any) -> list[Condition]:
    """One condition per corruption (its middle severity), the first of every family before the second of any."""
    by_name: dict[str, list[Condition]] = {}
    for condition in conditions:
        if not condition.is_clean:
            by_name.setdefault(condition.corruption, []).append(condition)
    middle = {name: sorted(found, key=lambda c: c.severity)[len(found) // 2] for name, found in by_name.items()}
    seen: dict[str, int] = {}
    ranked = []
    for name, condition in middle.items():
        family = families[name]
        ranked.append((seen.get(family, 0), condition))
        seen[family] = seen.get(family, 0) + 1
    return [condition for _, condition in sorted(ranked, key=lambda pair: pair[0])]


def _measure(pipe: Connection, plan: Plan, video: str, device: str, tasks: Sequence[Task]) -> None:
    """Child side: send (key, None) when a task begins and (key, what was found) when it is done."""
    limit_threads(1)
    clock = time.monotonic()
    clip, decode_seconds = _clip(plan.dataset.video(video))
    masks: list[Mask] = []
    adapters: list[Any] = []
    for task in tasks:
        if task.kind == "corrupt" and time.monotonic() - clock > CORRUPT_SECONDS:
            continue
        pipe.send((task.key, None))
        try:
            if task.kind == "decode":
                found: dict[str, Any] = {"seconds": decode_seconds, "mask_bytes": _mask_bytes(clip)}
            elif task.kind in ("corrupt", "more"):
                found = {"seconds": _corrupt(clip, task.subject)}
            elif task.kind == "model":
                found = _segment(clip, task.subject, device, plan.dataset.name, adapters, masks)
            else:
                found = {"seconds": _score(plan, clip, masks)}
        except Exception as error:  # a model may raise anything; the plan says so and goes on
            found = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        pipe.send((task.key, found))
        if task.kind in ("decode", "corrupt") and tasks[0].kind == "decode":
            pipe.send((tasks[0].key, {"mib": memory.peaks()[0]}))
    pipe.close()


def _clip(video: Video) -> tuple[Video, float]:
    """The first frames of a video from its first prompt on, in memory, and the seconds that decoding one took."""
    first = min(video.first_prompt, len(video) - 1)
    frames: list[Frame] = []
    times = []
    iterator = iter(video.frames)
    for t in range(min(first + FRAMES, len(video))):
        start = time.perf_counter()
        frame = next(iterator)
        times.append(time.perf_counter() - start)
        if t >= first:
            frames.append(frame)
    prompts = {t - first: mask for t, mask in video.prompts.items() if first <= t < first + len(frames)}
    names = video.frame_names[first : first + len(frames)]
    return replace(video.with_prompts(prompts), frames=frames, frame_names=names), _mean(times[1:] or times)


def _corrupt(clip: Video, condition: Condition) -> float:
    """Seconds per frame; one frame is made first, for tables and compiled kernels that are made once."""
    names = clip.frame_names[:1]
    prompts = {t: mask for t, mask in clip.prompts.items() if t == 0}
    one = replace(clip.with_prompts(prompts), frames=list(clip.frames)[:1], frame_names=names)
    for _ in corrupt_video(one, condition).frames:
        pass
    start = time.perf_counter()
    count = 0
    for count, _ in enumerate(corrupt_video(clip, condition).frames, 1):
        if time.perf_counter() - start > ENOUGH and count > 1:
            break
    return (time.perf_counter() - start) / max(count, 1)


def _segment(
    clip: Video, model: Any, device: str, dataset: str, adapters: list[Any], masks: list[Mask]
) -> dict[str, float]:
    """Seconds per frame of a model after its first two, and the memory it adds. Adapters are kept, as in a run."""
    from robust_vos_bench.models import load_adapter

    before = memory.resident()
    memory.reset_peaks(device)
    adapter = load_adapter(model.name, model.checkpoint, device, **model.options)
    limit_threads(1)
    adapters.append(adapter)
    adapter.begin("clean", dataset)
    times: list[float] = []
    start = clock = time.perf_counter()
    found = []
    for mask in adapter.segment(clip):
        found.append(mask)
        now = time.perf_counter()
        times.append(now - clock)
        clock = now
        if now - start > 4 * ENOUGH and len(times) > 2:
            break
    masks[:] = found if len(found) > len(masks) else masks
    peak, gpu = memory.peaks(device)
    timed = times[2:] or times[1:] or times
    return {"seconds": _mean(timed), "mib": max(peak - before, 0.0), "gpu_mib": gpu}


def _score(plan: Plan, clip: Video, masks: list[Mask]) -> float:
    """Seconds per frame of scoring; 0 where the data has no truth."""
    from robust_vos_bench.scoring import PackedTruth, VideoScorer, compiled

    if plan.dataset.truth(clip.name) is None:
        return 0.0
    truth = _first_frames_of(plan, clip)
    packed = PackedTruth(truth, plan.protocol)
    backend = "numba" if compiled.ready() else "numpy"
    given = masks or [clip.prompts[min(clip.prompts)]]
    times: list[float] = []
    for turn in range(2):  # the first turn packs the truth, which a run does once per video
        scorer = VideoScorer(packed, plan.protocol, backend)
        for t in scorer.frames:
            start = time.perf_counter()
            scorer.add(t, given[t % len(given)])
            if turn:
                times.append(time.perf_counter() - start)
    return _mean(times)


def _first_frames_of(plan: Plan, clip: Video) -> Any:
    """The truth of the sample clip's frames."""
    truth = plan.dataset.truth(clip.name)
    if truth is None:
        raise RvosError(f"video {clip.name!r} has no truth")
    start = truth.frame_names.index(clip.frame_names[0])
    masks = [truth.masks[start + t] for t in range(len(clip))]
    first = {i: max(t - start, 0) for i, t in truth.first_frames.items() if t < start + len(clip)}
    return replace(truth, frame_names=clip.frame_names, masks=masks, first_frames=first)


def _mask_bytes(clip: Video) -> int:
    from robust_vos_bench.datasets.images import encode_mask

    return len(encode_mask(clip.prompts[min(clip.prompts)]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
