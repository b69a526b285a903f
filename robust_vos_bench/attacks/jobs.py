"""One job: a model on one video, threat by threat, so that the results of smaller threats are there for larger ones.

Searching and writing are apart: a process that searches needs no folder, and whoever drives a job writes what it finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robust_vos_bench.attacks.effort import Attacked, Candidate
from robust_vos_bench.attacks.plan import AttackPlan, Job, Made
from robust_vos_bench.attacks.scores import masks_of
from robust_vos_bench.attacks.search import attack_video, noise_frames
from robust_vos_bench.attacks.store import AttackRecord, SplitFacts, finished, stored_frames, write_video
from robust_vos_bench.attacks.strips import draw_strip
from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.datasets.images import encode_frame
from robust_vos_bench.datasets.video import Frame, Truth, Video
from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.models import VOSAdapter
from robust_vos_bench.runs.plan import ModelSpec
from robust_vos_bench.runs.work.loading import Loaded, load
from robust_vos_bench.system.atomic import WriteError, make_folder, write_bytes
from robust_vos_bench.system.tracebacks import whole, with_place

STRIPS = "strips"
"""Folder of the pictures in a split, one per video: clean, attacked, 16 x difference."""


class Clip:
    """A video with its truth and its frames, decoded once for all its threats."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.video: Video = dataset.video(name)
        self.truth = dataset.truth(name)
        self.clean: list[Frame] = [np.asarray(frame) for frame in self.video.frames]
        self.held = self.video.with_frames(self.clean)


@dataclass(frozen=True)
class Wanted:
    """A search that is to be made."""

    job: Job
    threat: Threat
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a search gave; plain data."""

    frames: list[Frame]
    record: AttackRecord
    strip: bytes = b""
    """A picture of it (PNG); empty where none is drawn."""


class Course:
    """A job under way: what is to be searched next, and what becomes of it. A video that fails stops no other."""

    def __init__(self, plan: AttackPlan, job: Job) -> None:
        self.plan, self.job = plan, job
        self._threats = iter(plan.threats(job.spec))
        self._smaller: dict[Threat, str] = {}
        self._unreadable: RvosError | None = None

    @cached_property
    def clip(self) -> Clip:
        """The video, decoded when it is first needed."""
        try:
            return Clip(self.plan.dataset, self.job.video)
        except DataError as error:
            self._unreadable = error
            raise

    def let_go(self) -> None:
        """Drop the decoded frames; they are read again when they are needed."""
        self.__dict__.pop("clip", None)

    def next(self) -> Wanted | Made | None:
        """The next search, or what needs none: it is there already, or failed. None at the end."""
        threat = next(self._threats, None)
        if threat is None:
            return None
        facts = self.plan.facts(self.job.spec, threat)
        try:
            if self._unreadable is not None:
                raise self._unreadable
            record = finished(self.plan.dataset, self.job.video, facts, self.plan.folder(facts))
            if record is not None:
                self._smaller[threat] = facts.label
                return Made(self.job, facts.label, record.attack, kept=True)
            return Wanted(self.job, threat, self._candidates(threat))
        except Exception as error:
            return self._failed(facts, error)

    def end(self, wanted: Wanted, found: Found | Exception) -> Made:
        """Write what was found. Raises WriteError where the disk is full."""
        facts = self.plan.facts(self.job.spec, wanted.threat)
        split = self.plan.folder(facts)
        try:
            if isinstance(found, Exception):
                raise found
            clip = self.clip
            write_video(self.plan.dataset, clip.video, facts, split, clip.clean, found.frames, found.record)
            if found.strip:
                make_folder(split / STRIPS)
                write_bytes(split / STRIPS / f"{self.job.video}.png", found.strip, durable=False)
        except Exception as error:
            return self._failed(facts, error)
        self._smaller[wanted.threat] = facts.label
        return Made(self.job, facts.label, found.record)

    def _candidates(self, threat: Threat) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(label, stored_frames(self.plan.output / label, self.clip.held))
            for other, label in self._smaller.items()
            if threat.kind == other.kind == "linf" and other.within(threat, self.clip.video)
        )

    def _failed(self, facts: SplitFacts, error: Exception) -> Made:
        if isinstance(error, WriteError):
            raise error
        made = Made(self.job, facts.label)
        if isinstance(error, RvosError):
            if error.__cause__ is not None:
                error.traceback = error.traceback or whole(error)
            made.error = error
        elif isinstance(error, OSError):
            where = error.filename or self.job.video
            made.error = DataError(f"{where}: cannot be read ({error.strerror or error})")
        else:  # of a model's own code
            made.error = RvosError(with_place(f"{type(error).__name__}: {error}", error))
            made.error.traceback = whole(error)
        return made


def carried_out(plan: AttackPlan, job: Job, device: str) -> Iterator[Made]:
    """A whole job in this process: one entry per threat, in order."""
    course = Course(plan, job)
    while (step := course.next()) is not None:
        if isinstance(step, Made):
            yield step
            continue
        yield course.end(step, attempt(plan, course, step, device))


def attempt(plan: AttackPlan, course: Course, wanted: Wanted, device: str) -> Found | Exception:
    """A search in this process, or what it raised."""
    try:
        return find(plan, course.clip, wanted, device)
    except Exception as error:
        return error


_loaded: dict[tuple[str, str], Loaded] = {}


def forget_models() -> None:
    """Drop the models of this process."""
    _loaded.clear()


def _model(spec: ModelSpec, device: str) -> Loaded:
    """The model, loaded once a process."""
    place = (spec.record.identity, device)
    if place not in _loaded:
        _loaded[place] = load(spec, device)
    return _loaded[place]


def find(plan: AttackPlan, clip: Clip, wanted: Wanted, device: str) -> Found:
    """Search. Raises what the video, its truth or the model raises."""
    if wanted.job.spec is None:
        return Found(noise_frames(clip.video, clip.clean, wanted.threat, plan.seed), AttackRecord("noise"))
    adapter, settings = _model(wanted.job.spec, device)
    with settings.applied():
        truth = clean_truth(adapter, clip.held) if plan.target == "clean" else clip.truth
        if truth is None:
            raise DataError(
                f"video {clip.video.name!r}: the data set publishes no true masks of it; --target clean attacks the "
                "masks that the model itself gives for the clean frames"
            )
        found = attack_video(
            adapter,
            clip.held,
            truth,
            wanted.threat,
            effort=plan.preset.effort_of(wanted.threat, wanted.job.place),
            candidates=wanted.candidates,
            protocol=plan.dataset.protocol,
            seed=plan.seed,
        )
        # Differences alone are kept where frames may not be passed on.
        strip = _strip(adapter, clip, wanted.threat, found.frames) if plan.format == "png" else b""
        return Found(found.frames, record_of(found), strip)


def _strip(adapter: VOSAdapter, clip: Clip, threat: Threat, frames: Sequence[Frame]) -> bytes:
    """What the attack did, as a picture."""
    before, after = (masks_of(adapter, clip.held, shown) for shown in (clip.clean, frames))
    return encode_frame(draw_strip(clip.video, clip.clean, list(frames), before, after, threat.label))


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
