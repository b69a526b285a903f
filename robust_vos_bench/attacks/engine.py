"""All attacks of a command: a job is one model on one video under every threat, in order, so that the results of
smaller threats are there when a larger one begins. Jobs run in processes of their own; what is stored is not redone."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from robust_vos_bench.attacks.effort import Attacked, Candidate
from robust_vos_bench.attacks.limits import no_gradients
from robust_vos_bench.attacks.plan import AttackPlan, Job, Made
from robust_vos_bench.attacks.scores import masks_of
from robust_vos_bench.attacks.search import attack_video, noise_frames
from robust_vos_bench.attacks.store import (
    AttackRecord,
    SplitFacts,
    begin,
    check_format,
    finish,
    finished,
    locked,
    stored_frames,
    write_video,
)
from robust_vos_bench.attacks.strips import draw_strip
from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.corrupted.counts import FrameCounts
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.datasets.images import encode_frame
from robust_vos_bench.datasets.video import Frame, Truth, Video
from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.models import VOSAdapter, find_entry, load_adapter
from robust_vos_bench.models.options import adapter_class
from robust_vos_bench.origin import provided
from robust_vos_bench.runs.plan import ModelSpec
from robust_vos_bench.runs.work.process import ONE_THREAD, environment, leave_with_parent, limit_threads
from robust_vos_bench.system.atomic import WriteError, make_folder, write_bytes
from robust_vos_bench.system.process_settings import ProcessSettings
from robust_vos_bench.system.tracebacks import whole, with_place

STRIPS = "strips"
"""Folder of the pictures in a split, one per video: clean, attacked, 16 x difference."""


def run_attacks(plan: AttackPlan, devices: Sequence[str], counts: FrameCounts | None = None) -> Iterator[Made]:
    """Make what is not there yet; one entry per video and threat, job by job as they end.

    devices: one process each; a single one is this process. A video that fails does not stop the others; a full disk
    does (WriteError). Raises UsageError before anything is written where a model cannot have a threat, DataError where
    a folder holds something else.
    """
    check_format(plan.format, plan.preset.threats)
    check_models(plan)
    with contextlib.ExitStack() as stack:
        splits = [(facts, plan.folder(facts)) for facts in plan.splits()]
        for facts, split in splits:
            stack.enter_context(locked(split))
            begin(plan.dataset, facts, split)
        try:
            yield from _run(plan, devices, counts)
        finally:
            for facts, split in splits:
                with contextlib.suppress(WriteError):  # the error that is under way says it
                    finish(plan.dataset, facts, split)


def check_models(plan: AttackPlan) -> None:
    """Raise UsageError where a model cannot have one of the threats; nothing is loaded."""
    for spec in plan.models:
        entry = find_entry(spec.name)
        if not (entry.card.differentiable and hasattr(adapter_class(entry), "roll_out")):
            for threat in plan.threats(spec):
                if threat.needs_gradients:
                    raise no_gradients(spec.record.name, threat)


def _run(plan: AttackPlan, devices: Sequence[str], counts: FrameCounts | None) -> Iterator[Made]:
    jobs = plan.jobs
    if len(devices) <= 1 or len(jobs) <= 1:
        outside = ProcessSettings.taken()
        try:
            for place, job in enumerate(jobs):
                yield from _made(plan, job, devices[0] if devices else "cpu", counts, place)
        finally:
            outside.restore()
            _loaded.clear()
        return
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    for device in devices:
        queue.put(device)
    with (
        environment(ONE_THREAD),
        ProcessPoolExecutor(
            min(len(devices), len(jobs)), mp_context=context, initializer=_begin, initargs=(plan, queue, counts)
        ) as pool,
    ):
        waiting = iter(enumerate(jobs))
        running: set[Future[list[Made]]] = set()
        try:
            while True:
                while len(running) < len(devices) and (following := next(waiting, None)) is not None:
                    running.add(pool.submit(_work, *following))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        except BrokenProcessPool as error:
            raise RvosError(
                "a process that attacks died: killed, or out of memory. What is stored stays; the same command goes "
                "on, with fewer --workers or a smaller --window where memory was short"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_plan: AttackPlan | None = None
_device = "cpu"
_counts: FrameCounts | None = None
_loaded: dict[tuple[str, str], VOSAdapter] = {}


def _begin(plan: AttackPlan, devices: object, counts: FrameCounts | None) -> None:
    global _plan, _device, _counts
    _plan, _counts = plan, counts
    _device = devices.get()  # type: ignore[attr-defined]
    leave_with_parent()
    limit_threads(1)


def _work(place: int, job: Job) -> list[Made]:
    if _plan is None:
        raise RuntimeError("a worker was not initialised")
    return list(_made(_plan, job, _device, _counts, place))


def _load(spec: ModelSpec, device: str) -> VOSAdapter:
    """The model, loaded once a process, with one thread: one thread repeats the same bits."""
    place = (spec.record.identity, device)
    if place not in _loaded:
        outside = ProcessSettings.taken()
        try:
            with provided(spec.origin):
                _loaded[place] = load_adapter(spec.name, spec.checkpoint, device, **spec.options)
        finally:
            outside.restore()
            limit_threads(1)
    return _loaded[place]


def _made(plan: AttackPlan, job: Job, device: str, counts: FrameCounts | None, place: int) -> Iterator[Made]:
    """Every threat of a job, in order."""
    limit_threads(1)
    smaller: dict[Threat, str] = {}
    clip: _Clip | None = None
    failed: RvosError | None = None
    for count, threat in enumerate(plan.threats(job.spec), 1):
        facts = plan.facts(job.spec, threat)
        split = plan.folder(facts)
        made = Made(job, facts.label)
        try:
            if failed is not None:
                raise failed
            record = finished(plan.dataset, job.video, facts, split)
            if record is not None:
                made.attack, made.kept = record.attack, True
            else:
                clip = clip or _Clip(plan.dataset, job.video)
                made.attack = clip.attack(plan, job, facts, split, device, smaller)
            smaller[threat] = facts.label
        except WriteError:
            raise
        except RvosError as error:
            if error.__cause__ is not None:
                error.traceback = error.traceback or whole(error)
            made.error = error
            if isinstance(error, DataError) and clip is None:
                failed = error  # the video itself cannot be read
        except OSError as error:
            made.error = DataError(f"{error.filename or job.video}: cannot be read ({error.strerror or error})")
        except Exception as error:  # of a model's own code: this video fails, the others go on
            made.error = RvosError(with_place(f"{type(error).__name__}: {error}", error))
            made.error.traceback = whole(error)
        if counts is not None:
            counts.note(place, count)
        yield made


class _Clip:
    """A video with its truth and its frames, decoded once for all its threats."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.video: Video = dataset.video(name)
        self.truth = dataset.truth(name)
        self.clean: list[Frame] = [np.asarray(frame) for frame in self.video.frames]
        self.held = self.video.with_frames(self.clean)

    def attack(
        self, plan: AttackPlan, job: Job, facts: SplitFacts, split: Path, device: str, smaller: Mapping[Threat, str]
    ) -> AttackRecord:
        """Search, and write what was found."""
        threat = facts.threat
        candidates = [
            Candidate(label, stored_frames(plan.output / label, self.held))
            for other, label in smaller.items()
            if threat.kind == other.kind == "linf" and other.within(threat, self.video)
        ]
        if job.spec is None:
            noisy = noise_frames(self.video, self.clean, threat, plan.seed)
            record = AttackRecord("noise")
            write_video(plan.dataset, self.video, facts, split, self.clean, noisy, record)
            return record
        adapter = _load(job.spec, device)
        truth = self.truth
        if plan.target == "clean":
            truth = clean_truth(adapter, self.held)
        if truth is None:
            raise DataError(
                f"video {job.video!r}: the data set publishes no true masks of it; --target clean attacks the masks "
                "that the model itself gives for the clean frames"
            )
        found = attack_video(
            adapter,
            self.held,
            truth,
            threat,
            effort=plan.preset.effort_of(threat, job.place),
            candidates=candidates,
            protocol=plan.dataset.protocol,
            seed=plan.seed,
        )
        record = record_of(found)
        write_video(plan.dataset, self.video, facts, split, self.clean, found.frames, record)
        if facts.format == "png":  # differences alone are kept where frames may not be passed on
            self._picture(adapter, facts, split, found.frames)
        return record

    def _picture(self, adapter: VOSAdapter, facts: SplitFacts, split: Path, frames: list[Frame]) -> None:
        """Draw what the attack did, beside the records."""
        before, after = (masks_of(adapter, self.held, shown) for shown in (self.clean, frames))
        make_folder(split / STRIPS)
        sheet = draw_strip(self.video, self.clean, frames, before, after, facts.threat.label)
        write_bytes(split / STRIPS / f"{self.video.name}.png", encode_frame(sheet), durable=False)


def clean_truth(adapter: VOSAdapter, video: Video) -> Truth:
    """The model's own masks of the clean frames in the place of true ones."""
    masks = masks_of(adapter, video, list(video.frames))
    return Truth(video.name, video.size, video.frame_names, masks, video.first_frames)


def record_of(found: Attacked) -> AttackRecord:
    """What is kept of an attack beside its frames."""
    return AttackRecord(
        chosen=found.chosen,
        score=round(found.score, 4),
        clean=round(found.clean, 4),
        by_loss={name: round(score, 4) for name, score in found.by_loss.items()},
        candidates={name: round(score, 4) for name, score in found.candidates.items()},
        trace={name: [[round(v, 2) for v in curve] for curve in curves] for name, curves in found.trace.items()},
        flags=found.flags,
        passes=found.passes,
        seconds=round(found.seconds, 2),
        cpu_seconds=round(found.cpu_seconds, 2),
        eot=found.eot,
    )
