"""The work of one process: make a corrupted clip once, run every model of the group on it, score as it goes."""

from __future__ import annotations

import math
import shutil
import traceback
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from robust_vos_bench.conditions import Condition, corrupt_truth, corrupt_video, corruption_of
from robust_vos_bench.datasets import Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.evaluation import Outcome, evaluate
from robust_vos_bench.evaluation.segment import MaskSink
from robust_vos_bench.models import VOSAdapter, load_adapter
from robust_vos_bench.origin import provided
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.records import FrameScores, ObjectRecord, UnitRecord
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.trace import TraceWriter
from robust_vos_bench.runs.work.clip_cache import CachedClip
from robust_vos_bench.runs.work.prefetch import Prefetcher
from robust_vos_bench.runs.work.process import limit_threads
from robust_vos_bench.runs.writer import Result
from robust_vos_bench.scoring import ObjectScore, PackedTruth, prepare
from robust_vos_bench.system import memory

TRUTHS_KEPT = 64
"""Packed truths are small (bits); conditions revisit the same videos, so a split's worth is kept."""


class Worker:
    """Loads models when they are first needed, keeps them, and works through groups."""

    def __init__(self, plan: Plan, device: str, folder: Path, producers: int = 0, scratch: Path | None = None) -> None:
        self.plan = plan
        self.device = device
        self.store = RunStore(folder)
        self.scratch = scratch
        self.feed = Prefetcher(plan.dataset, producers, scratch) if producers else None
        self._beside = bool(producers) or device != "cpu"  # a lone CPU process has no core to score on beside
        self._trace = TraceWriter(folder, f"{device} lane") if plan.profile else None
        self._adapters: dict[int, VOSAdapter] = {}
        self._load_errors: dict[int, RvosError] = {}
        self._scoring_ready = False
        self._truths: OrderedDict[str, PackedTruth | None] = OrderedDict()

    def expect(self, group: Group) -> None:
        """A group that will be run after those expected before: its frames may be made ahead."""
        if self.feed is not None:
            try:
                self.feed.expect(group)
            except BrokenProcessPool:
                raise  # the producers died: the whole process starts anew
            except Exception:  # a video that cannot be opened fails, and says why, when it is its turn
                return

    def close(self) -> None:
        """Stop the producers and close the trace."""
        if self.feed is not None:
            self.feed.close()
        if self._trace is not None:
            self._trace.close()

    def run(self, group: Group) -> Iterator[Result]:
        """One result a model of the group; a model or video that fails is a failed record, never an exception."""
        try:
            yield from self._results(group)
        finally:
            if self.feed is not None:
                self.feed.done(group)  # also where the frames were never asked for: they would fill the feed for ever

    def _results(self, group: Group) -> Iterator[Result]:
        try:
            clean = self.plan.dataset.video(group.video)
            video = corrupt_video(clean, group.condition)
            self._prepare_scoring(clean)
            truth = self._truth(clean, group.condition)
        except Exception as error:  # whatever a data set or a corruption raises: this video fails, the run goes on
            for model in group.models:
                yield self._failed(model, group, error), ()
            return
        if self.feed is not None:
            fed = video.with_frames(self.feed.take(group))
            for model in group.models:
                yield self._unit(model, group, fed, truth)
            return
        if len(group.models) == 1:
            yield self._unit(group.models[0], group, video, truth)
            return
        with CachedClip(video.frames, video.size, self.scratch) as frames:
            for model in group.models:
                yield self._unit(model, group, video.with_frames(frames), truth)

    def _unit(self, model: int, group: Group, video: Video, truth: PackedTruth | None) -> Result:
        found = self._attempt(model, group, video, truth)
        return (self._out_of_memory(model, group, found), ()) if isinstance(found, str) else found

    def _attempt(self, model: int, group: Group, video: Video, truth: PackedTruth | None) -> Result | str:
        """The result, or what to say where memory ran out: freeing it has to wait until nothing here holds it."""
        try:
            adapter = self._adapter(model)
            adapter.begin(group.condition.label, self.plan.dataset.name)
            sink = self._sink(model, group, video)
            outcome = evaluate(adapter, video, truth, self.plan.protocol, sink, self._beside)
        except Exception as error:  # a model may raise anything; its video fails, the run goes on
            if isinstance(error, BrokenProcessPool) or isinstance(error.__cause__, BrokenProcessPool):
                raise BrokenProcessPool(str(error)) from error  # no fault of the model: the whole process starts anew
            if memory.ran_out(error):
                return memory.told(error, self.device)
            return self._failed(model, group, error), ()
        if self._trace is not None:
            name = self.plan.models[model].record.name
            self._trace.spans(outcome.spans, model=name, condition=group.condition.label, video=group.video)
        return self._done(model, group, outcome), tuple(frame_scores(o) for o in outcome.objects)

    def _out_of_memory(self, model: int, group: Group, message: str) -> UnitRecord:
        resident, gpu = memory.peaks(self.device)
        self._adapters.clear()  # what it kept of the video goes with it; models are loaded again when needed
        memory.release()
        record = failed_record(self.plan, model, group, message, 1)
        return msgspec.structs.replace(record, peak_rss_mib=round(resident, 1), peak_gpu_mib=round(gpu, 1))

    def _adapter(self, model: int) -> VOSAdapter:
        if model in self._load_errors:
            raise self._load_errors[model]
        if model not in self._adapters:
            spec = self.plan.models[model]
            try:
                with provided(spec.origin):  # its file as the command read it, wherever this process runs
                    self._adapters[model] = load_adapter(spec.name, spec.checkpoint, self.device, **spec.options)
            except RvosError as error:
                if not memory.ran_out(error):  # there may be room the next time
                    self._load_errors[model] = error
                raise
            limit_threads(1)  # the model may just have brought torch in
        return self._adapters[model]

    def _prepare_scoring(self, video: Video) -> None:
        """Choose the scorer's back end once, by the size of the whole run."""
        if not self._scoring_ready:
            self._scoring_ready = True
            plan = self.plan
            prepare(len(video) * len(plan.videos) * len(plan.conditions) * len(plan.models), video.size)

    def _truth(self, video: Video, condition: Condition) -> PackedTruth | None:
        moved = condition.label if not condition.is_clean and corruption_of(condition).moves_pixels else ""
        name = f"{video.name}\0{moved}"
        if name not in self._truths:
            truth = self.plan.dataset.truth(video.name)
            if truth is not None and moved:
                truth = corrupt_truth(truth, condition, video)
            self._truths[name] = None if truth is None else PackedTruth(truth, self.plan.protocol)
            while len(self._truths) > TRUTHS_KEPT:
                self._truths.popitem(last=False)
        self._truths.move_to_end(name)
        return self._truths[name]

    def _sink(self, model: int, group: Group, video: Video) -> MaskSink | None:
        name = self.plan.models[model].record.name
        folder = self.store.masks_path(group.condition.label, name, group.video)
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier time: perhaps of other data, or half of them
        if not self.plan.save_masks:
            return None
        from robust_vos_bench.datasets.images import write_mask

        folder.mkdir(parents=True, exist_ok=True)
        return lambda t, mask: write_mask(folder / f"{video.frame_names[t]}.png", mask)

    def _done(self, model: int, group: Group, outcome: Outcome) -> UnitRecord:
        return UnitRecord(
            key=self.plan.key(model, group.condition, group.video),
            model=self.plan.models[model].record.name,
            condition=group.condition.label,
            video=group.video,
            status="ok",
            objects=tuple(object_record(o) for o in outcome.objects),
            frames=outcome.frames,
            seconds_model=round(outcome.seconds_model, 4),
            seconds_frames=round(outcome.seconds_frames, 4),
            seconds_score=round(outcome.seconds_score, 4),
            peak_rss_mib=round(outcome.peak_rss_mib, 1),
            peak_gpu_mib=round(outcome.peak_gpu_mib, 1),
            warnings=outcome.warnings,
        )

    def _failed(self, model: int, group: Group, error: Exception) -> UnitRecord:
        return failed_record(self.plan, model, group, describe(error), getattr(error, "exit_code", 1))


def failed_record(plan: Plan, model: int, group: Group, message: str, code: int) -> UnitRecord:
    """The record of a unit that gave no scores."""
    return UnitRecord(
        key=plan.key(model, group.condition, group.video),
        model=plan.models[model].record.name,
        condition=group.condition.label,
        video=group.video,
        status="failed",
        error=message,
        error_code=code,
    )


def describe(error: Exception) -> str:
    """Text for a person; for a foreign exception also where it came from."""
    if isinstance(error, RvosError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1:] if error.__traceback__ else []
    place = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
    return f"{type(error).__name__}: {error}{place}"


def object_record(score: ObjectScore) -> ObjectRecord:
    """The part of a score that is kept in records; NaN (nothing scored) becomes None."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    return ObjectRecord(
        object=score.object,
        frames=score.frames,
        j_mean=number(score.j_mean),
        j_recall=number(score.j_recall),
        j_decay=number(score.j_decay),
        f_mean=number(score.f_mean),
        f_recall=number(score.f_recall),
        f_decay=number(score.f_decay),
        category=score.category,
    )


def frame_scores(score: ObjectScore) -> FrameScores:
    """J and F by frame, rounded for keeping."""
    first = score.first_frame or 0
    dense = score.indices == tuple(range(first, first + len(score.j)))
    return FrameScores(
        video=score.video,
        object=score.object,
        first=first,
        j=tuple(round(float(v), 4) for v in score.j),
        f=tuple(round(float(v), 4) for v in score.f),
        at=() if dense else score.indices,
    )
