"""The work of one process: make each corrupted clip once, run every model of the group on it, score its masks."""

from __future__ import annotations

import math
import re
import shutil
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import UNSET

from robust_vos_bench.conditions import Condition, corrupt_truth, corrupt_video, corruption_of
from robust_vos_bench.datasets import Mask, Video
from robust_vos_bench.errors import ContractError, MissingExtraError, RvosError, UsageError, WeightsError
from robust_vos_bench.evaluation import Outcome, evaluate
from robust_vos_bench.evaluation.segment import MaskSink
from robust_vos_bench.models import VOSAdapter
from robust_vos_bench.runs.activity import MemoryPulse, Pulse
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.records import STATISTICS, FrameScores, ObjectRecord, UnitRecord
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.trace import TraceWriter
from robust_vos_bench.runs.work.clip_cache import CachedClip
from robust_vos_bench.runs.work.filming import Film
from robust_vos_bench.runs.work.loading import load
from robust_vos_bench.runs.work.prefetch import Prefetcher
from robust_vos_bench.runs.writer import Scored
from robust_vos_bench.scoring import ObjectScore, PackedTruth, prepare
from robust_vos_bench.system import memory, tracebacks
from robust_vos_bench.system.global_state import fresh_random_state
from robust_vos_bench.system.gpu import ruined_by
from robust_vos_bench.system.process_settings import ProcessSettings
from robust_vos_bench.system.waits import heard_by, waiting

TRUTHS_KEPT = 64
"""Packed truths kept in memory: most are small, and every condition uses those of the same videos again."""
TRUTH_BYTES = 1 << 30
"""Bytes of them together, from which the oldest go: those of long videos, or of many objects, are not small."""


FATAL = (WeightsError, UsageError, MissingExtraError, ContractError)
"""Errors of loading a model that every one of its units would have."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


SCORER = "loading the scorer"


class UnitNote:
    """Writes into a pulse what the worker does: its unit, and what it waits for."""

    def __init__(self, pulse: Pulse) -> None:
        self.pulse = pulse
        self._unit = self._wait = ""
        self._first = False

    def begin(self, unit: str) -> None:
        """A unit begins ("model · condition · video"), or nothing does ("")."""
        self._unit, self._first = unit, bool(unit)
        self.pulse.frame(0)
        self._write()

    def waits(self, for_a_frame: bool) -> None:
        """Only the first frame of a unit can take long: it reads ahead, or is the first of its kind."""
        if self._first:
            self._first = for_a_frame
            if for_a_frame and not self._wait:
                self.pulse.says(f"first frame of {self._unit.partition(' · ')[2]}")
            else:
                self._write()

    def waits_for(self, what: str) -> None:
        """Something else than frames is waited for; "": no longer."""
        self._wait = what
        self._write()

    def frame(self, count: int) -> None:
        """So many frames are segmented."""
        self.pulse.frame(count)

    def _write(self) -> None:
        self.pulse.says(self._wait or self._unit)


class Worker:
    """Loads models when they are first needed, keeps them, and works through groups."""

    def __init__(
        self,
        plan: Plan,
        device: str,
        folder: Path,
        producers: int = 0,
        scratch: Path | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        self.plan = plan
        self.device = device
        self.store = RunStore(folder)
        self.scratch = scratch
        self.note = UnitNote(pulse or MemoryPulse())
        self.prefetcher = Prefetcher(plan.dataset, producers, scratch) if producers else None
        self._beside = bool(producers) or device != "cpu"  # a single CPU process has no second core to score on
        self._trace = TraceWriter(folder, f"{device} worker") if plan.profile else None
        self._adapters: dict[int, VOSAdapter] = {}
        self._settings: dict[int, ProcessSettings] = {}
        """What each model has made of the process; it holds during the model's turns only."""
        self._load_errors: dict[int, RvosError] = {}
        self._scoring_ready = False
        self.ruined = False
        """The GPU can be used no more in this process: it has to be replaced."""
        self._truths: OrderedDict[str, PackedTruth | None] = OrderedDict()

    def announce(self, group: Group) -> None:
        """A group that will be run after those announced before: its frames may be made ahead."""
        if self.prefetcher is not None:
            try:
                self.prefetcher.announce(group)
            except BrokenProcessPool:
                raise  # the producers died: the whole process is started again
            except Exception:  # a video that cannot be opened fails, with its reason, when its turn comes
                return

    def forget(self, group: Group) -> None:
        """A group that was announced will not be run here."""
        if self.prefetcher is not None:
            self.prefetcher.done(group)

    def close(self) -> None:
        """Stop the producers and close the trace."""
        if self.prefetcher is not None:
            self.prefetcher.close()
        if self._trace is not None:
            self._trace.close()

    def run(self, group: Group) -> Iterator[Scored]:
        """One result per model of the group; a model or video that fails gives a failed record.

        Raises only what ends the run: a model that cannot be loaded at all (see `load`), producers that died.
        """
        try:
            with heard_by(self.note.waits_for):
                yield from self._results(group)
        finally:
            self.note.begin("")
            if self.prefetcher is not None:
                self.prefetcher.done(group)  # also where its frames were never read: they would occupy the prefetcher

    def _results(self, group: Group) -> Iterator[Scored]:
        self.load(group.models)
        try:
            clean = self.plan.dataset.video(group.video)
            video = corrupt_video(clean, group.condition)
            self._prepare_scoring(clean)
            truth = self._truth(clean, group.condition)
        except Exception as error:  # of a data set or a corruption: this video fails, the run goes on
            for model in group.models:
                yield self._failed(model, group, error)
            return
        if self.prefetcher is not None:
            ready = video.with_frames(self.prefetcher.frames(group))
            for model in group.models:
                yield self._unit(model, group, ready, truth)
            return
        if len(group.models) == 1:
            yield self._unit(group.models[0], group, video, truth)
            return
        with CachedClip(video.frames, video.size, self.scratch) as frames:
            for model in group.models:
                yield self._unit(model, group, video.with_frames(frames), truth)

    def _unit(self, model: int, group: Group, video: Video, truth: PackedTruth | None) -> Scored:
        self.note.begin(f"{self.plan.models[model].record.name} · {group.condition.label} · {group.video}")
        found = self._attempt(model, group, video, truth)
        self.note.frame(0)  # from here on the record counts
        return Scored(self._out_of_memory(model, group, found)) if isinstance(found, str) else found

    def _attempt(self, model: int, group: Group, video: Video, truth: PackedTruth | None) -> Scored | str:
        """The result, or the message where memory ran out: it can be freed only after this frame has returned."""
        film: Film | None = None
        try:
            adapter = self._adapter(model)
            sink = self._sink(model, group, video)
            film = self._film(model, group, video)
            if film is not None:
                video = video.with_frames(film.frames)
                sink = _both(sink, film.add)
            with self._settings[model].applied():
                # Whoever draws from global generators draws the same in any worker and order.
                fresh_random_state()
                adapter.begin(group.condition.label, self.plan.dataset.name)
                outcome = evaluate(adapter, video, truth, self.plan.protocol, sink, self._beside, self.note)
            if film is not None:
                film.finish()
                outcome = replace(outcome, warnings=(*outcome.warnings, *([film.problem] if film.problem else [])))
            record = readable(self._done(model, group, outcome))
        except Exception as error:  # a model may raise anything; its video fails, the run goes on
            if isinstance(error, BrokenProcessPool) or isinstance(error.__cause__, BrokenProcessPool):
                # Not the fault of the model: the whole process is started again.
                raise BrokenProcessPool(str(error)) from error
            if memory.ran_out(error):
                return memory.explain(error, self.device)
            if isinstance(first := ruined_by(error), Exception):
                self.ruined, error = True, first
            return self._failed(model, group, error)
        finally:
            if film is not None:
                film.drop()
        if self._trace is not None:
            self._trace.spans(outcome.spans, model=record.model, condition=record.condition, video=group.video)
        return Scored(record, tuple(frame_scores(o) for o in outcome.objects))

    def _out_of_memory(self, model: int, group: Group, message: str) -> UnitRecord:
        resident, gpu = memory.peaks(self.device)
        self._adapters.clear()  # frees what they hold; models are loaded again when they are needed
        memory.release()
        record = failed_record(self.plan, model, group, message, 1)
        return msgspec.structs.replace(record, peak_rss_mib=round(resident, 1), peak_gpu_mib=round(gpu, 1))

    def load(self, models: Iterable[int]) -> None:
        """Load models that are not loaded yet, before any of them works.

        Raises what no other unit would fare better with (`FATAL`): weights that do not fit, options that cannot be.
        """
        for model in models:
            try:
                self._adapter(model)
            except FATAL as error:
                error.traceback = error.traceback or tracebacks.whole(error)  # it is lost between processes
                raise
            except Exception:  # perhaps of this moment only: the model's units fail and say why
                continue

    def _adapter(self, model: int) -> VOSAdapter:
        if model in self._load_errors:
            raise self._load_errors[model]
        if model not in self._adapters:
            try:
                self._adapters[model], self._settings[model] = load(self.plan.models[model], self.device)
            except RvosError as error:
                if not memory.ran_out(error):  # there may be enough memory next time
                    self._load_errors[model] = error
                raise
        return self._adapters[model]

    def _prepare_scoring(self, video: Video) -> None:
        """Choose the scorer's back end once, by the size of the whole run."""
        if not self._scoring_ready:
            self._scoring_ready = True
            plan = self.plan
            with waiting(SCORER):
                prepare(len(video) * len(plan.videos) * len(plan.conditions) * len(plan.models), video.size)

    def _truth(self, video: Video, condition: Condition) -> PackedTruth | None:
        moved = condition.label if not condition.is_clean and corruption_of(condition).moves_pixels else ""
        name = f"{video.name}\0{moved}"
        if name not in self._truths:
            truth = self.plan.dataset.truth(video.name)
            if truth is not None and moved:
                truth = corrupt_truth(truth, condition, video)
            self._truths[name] = None if truth is None else PackedTruth(truth, self.plan.protocol)
            while len(self._truths) > 1 and (len(self._truths) > TRUTHS_KEPT or self._truth_bytes() > TRUTH_BYTES):
                self._truths.popitem(last=False)
        self._truths.move_to_end(name)
        return self._truths[name]

    def _truth_bytes(self) -> int:
        return sum(truth.nbytes for truth in self._truths.values() if truth is not None)

    def _sink(self, model: int, group: Group, video: Video) -> MaskSink | None:
        name = self.plan.models[model].record.name
        folder = self.store.masks_path(group.condition.label, name, group.video)
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier attempt: perhaps of other data, or incomplete
        if not self.plan.save_masks:
            return None
        from robust_vos_bench.datasets.images import write_mask

        folder.mkdir(parents=True, exist_ok=True)
        return lambda t, mask: write_mask(folder / f"{video.frame_names[t]}.png", mask)

    def _film(self, model: int, group: Group, video: Video) -> Film | None:
        path = self.store.film_path(group.condition.label, self.plan.models[model].record.name, group.video)
        path.unlink(missing_ok=True)  # of an earlier attempt
        if group.video not in self.plan.films:
            return None
        return Film(path, video, f"{group.condition.label} · {self.plan.models[model].record.name}")

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

    def _failed(self, model: int, group: Group, error: Exception) -> Scored:
        record = failed_record(self.plan, model, group, describe(error), getattr(error, "exit_code", 1))
        own = not isinstance(error, RvosError) or error.__cause__ is not None  # else the message says all
        return Scored(record, traceback=_writable(tracebacks.whole(error)) if own else "")


def _both(one: MaskSink | None, other: MaskSink) -> MaskSink:
    if one is None:
        return other
    first = one

    def sink(t: int, mask: Mask) -> None:
        first(t, mask)
        other(t, mask)

    return sink


def readable(record: UnitRecord) -> UnitRecord:
    """The record as it will be read back. Raises ContractError where it could not be: it holds what is no text or
    number where one belongs, from a model's diagnostics or a data set's categories."""
    try:
        return msgspec.json.decode(msgspec.json.encode(record), type=UnitRecord)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise ContractError(f"the record of this unit could not be read back: {error}") from error


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
    """Text for a person; for an exception of other code also the place where it was raised.

    Addresses in memory are left out: they differ from run to run, and records should not.
    """
    if isinstance(error, RvosError):
        return _writable(str(error))
    try:
        text = str(error)
    except Exception:  # of somebody's own class
        text = "(its text cannot be read)"
    return _writable(tracebacks.with_place(f"{type(error).__name__}: {text}", error))


def _writable(text: str) -> str:
    """Text as a record can hold it: halves of characters, which UTF-8 has no bytes for, are written out."""
    return _ADDRESS.sub("0x...", text.encode("utf-8", "backslashreplace").decode("utf-8"))


def object_record(score: ObjectScore) -> ObjectRecord:
    """The part of a score that is kept in records; NaN (nothing scored) becomes None."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    return ObjectRecord(
        object=score.object,
        frames=score.frames,
        **{field: number(getattr(score, field)) for field in STATISTICS},
        category=score.category,
        extra={name: number(value) for name, value in score.extra.items()} if score.extra else UNSET,
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
