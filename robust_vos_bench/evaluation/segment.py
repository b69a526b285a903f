"""Run one adapter over one video and score every mask as it appears; only numbers are kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.evaluation.background_scoring import BackgroundScorer
from robust_vos_bench.evaluation.clock import TimedFrames
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.contract import segment_checked
from robust_vos_bench.scoring import ObjectScore, PackedTruth, VideoScorer
from robust_vos_bench.system.memory import peaks, reset_peaks

MaskSink = Callable[[int, Mask], None]
"""Receives (frame index, mask) of every frame, in order."""


class Watcher(Protocol):
    """Is told how far a video is, frame by frame; it must be quick."""

    def waits(self, for_a_frame: bool) -> None:
        """Whether the model is waiting for a frame."""

    def frame(self, count: int) -> None:
        """So many masks are there."""


@dataclass(frozen=True)
class Outcome:
    """Scores of one video and what they cost."""

    objects: tuple[ObjectScore, ...]
    frames: int
    seconds_model: float
    seconds_frames: float
    """Time the model waited for frames."""
    seconds_score: float
    """Time the model waited for scoring (and saving)."""
    peak_rss_mib: float
    peak_gpu_mib: float
    warnings: tuple[str, ...] = field(default=())
    spans: tuple[tuple[str, float, float], ...] = field(default=(), repr=False)
    """(what, start, seconds) on the `time.perf_counter()` clock: "unit", "model", "frames", "score"."""


def evaluate(
    adapter: VOSAdapter,
    video: Video,
    truth: PackedTruth | None,
    protocol: str,
    sink: MaskSink | None = None,
    beside: bool = False,
    watcher: Watcher | None = None,
) -> Outcome:
    """Segment `video` and score it against `truth` (None: masks go to the sink and nothing is scored).

    beside: score in a separate thread, for models on a GPU; the numbers are the same. watcher: told of every frame.
    Raises ContractError where the adapter breaks the contract and RvosError where it fails otherwise: a video is
    scored as a whole or not at all.
    """
    frames = TimedFrames(video.frames, watcher.waits if watcher is not None else None)
    scorer = VideoScorer(truth, protocol) if truth is not None else None
    adapter.diagnostics.clear()
    reset_peaks(adapter.device)
    scores: list[tuple[float, float]] = []

    def receive(t: int, mask: Mask) -> None:
        if scorer is not None:
            scorer.add(t, mask)
        if sink is not None:
            sink(t, mask)

    def timed(work: Callable[[], None]) -> None:
        before = time.perf_counter()
        work()
        scores.append((before, time.perf_counter() - before))

    start = time.perf_counter()
    count = 0
    with contextlib.ExitStack() as stack:
        taker = stack.enter_context(BackgroundScorer(receive)) if beside else None
        for t, mask in enumerate(segment_checked(adapter, video.with_frames(frames))):
            timed(partial(taker or receive, t, mask))
            count += 1
            if watcher is not None:
                watcher.frame(count)
        if taker is not None:
            timed(taker.close)
    total = time.perf_counter() - start
    objects = tuple(scorer.result()) if scorer is not None else ()
    resident, gpu = peaks(adapter.device)
    scoring = sum(seconds for _, seconds in scores)
    return Outcome(
        objects=objects,
        frames=count,
        seconds_model=max(total - frames.seconds - scoring, 0.0),
        seconds_frames=frames.seconds,
        seconds_score=scoring,
        peak_rss_mib=resident,
        peak_gpu_mib=gpu,
        warnings=tuple(dict.fromkeys(adapter.diagnostics)),
        spans=_spans(start, total, frames.waits, scores),
    )


def _spans(
    start: float, total: float, waits: list[tuple[float, float]], scores: list[tuple[float, float]]
) -> tuple[tuple[str, float, float], ...]:
    """The unit, its waits and scores, and the model in all the gaps between them."""
    spans = [("unit", start, total)]
    others = sorted([(a, d, "frames") for a, d in waits] + [(a, d, "score") for a, d in scores])
    clock = start
    for begin, seconds, name in [*others, (start + total, 0.0, "")]:
        if begin > clock:
            spans.append(("model", clock, begin - clock))
        if name:
            spans.append((name, begin, seconds))
        clock = max(clock, begin + seconds)
    return tuple(spans)
