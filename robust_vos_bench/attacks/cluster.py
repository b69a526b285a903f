"""Jobs on a Ray cluster: every search is a task; nodes need the data (or are sent it) and the weights, and no folder.

The driver is the only writer: it writes every result as it comes, so that what a stopped command has found stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robust_vos_bench.attacks.effort import Candidate
from robust_vos_bench.attacks.jobs import Clip, Course, Found, Wanted, attempt, find
from robust_vos_bench.attacks.plan import AttackPlan, Made
from robust_vos_bench.attacks.store import AttackRecord
from robust_vos_bench.conditions import PresetInfo
from robust_vos_bench.corrupted.counts import FrameCounts
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.build import build_plan
from robust_vos_bench.runs.ray.calls import Calls
from robust_vos_bench.runs.ray.cluster import Cluster
from robust_vos_bench.runs.ray.nodes import Need
from robust_vos_bench.runs.ray.transfer import RemoteFiles, ShippedDataset
from robust_vos_bench.runs.work.process import limit_threads

Changes = Mapping[int, Frame]
"""The frames of a video that are not the clean ones: all that has to travel."""


def changes(clean: Sequence[Frame], frames: Sequence[Frame]) -> Changes:
    """What is not as in the clean frames."""
    return {t: other for t, (one, other) in enumerate(zip(clean, frames)) if not np.array_equal(one, other)}


def with_changes(clean: Sequence[Frame], changed: Changes) -> list[Frame]:
    """All frames, of the clean ones and what changed."""
    return [changed.get(t, frame) for t, frame in enumerate(clean)]


_clips: dict[str, Clip] = {}
"""In a node's process: the last video, which the next task may be of again."""


def search_on_node(
    plan: AttackPlan, need: Need, files: Any, fingerprint: str, wanted: Wanted, smaller: Mapping[str, Changes]
) -> tuple[Changes, AttackRecord, bytes]:
    """The body of a task: one search, in a process that keeps its models. smaller: label of a candidate -> frames."""
    limit_threads(1)
    name = wanted.job.video
    if fingerprint not in _clips:
        _clips.clear()
        data = plan.dataset
        if files is not None:
            data = ShippedDataset(data, {name: fingerprint}, RemoteFiles(files))
        _clips[fingerprint] = Clip(data, name)
    clip = _clips[fingerprint]
    candidates = tuple(Candidate(label, with_changes(clip.clean, changed)) for label, changed in smaller.items())
    found = find(plan, clip, replace(wanted, candidates=candidates), "cuda" if need.gpus else "cpu")
    return changes(clip.clean, found.frames), found.record, found.strip


@dataclass(frozen=True)
class ClusterLanes:
    """The tasks of a cluster. cluster: has been joined."""

    cluster: Cluster
    counts: FrameCounts | None = None
    """Is told how many threats of each job are done."""

    def __call__(self, plan: AttackPlan) -> Iterator[Made]:
        """Carry out the jobs of a plan; what becomes of each video and threat, as they end.

        Raises DataError where a node cannot be used, UsageError where none has what a search needs.
        """
        asked = build_plan(list(plan.models), plan.dataset, [], PresetInfo("attack", 0, ""))
        calls: Calls[tuple[_Way, Wanted]] = Calls(self.cluster, asked, search_on_node, plan)
        if plan.device != "cpu" and not calls.need.gpus:
            raise UsageError(f"--device {plan.device}: no node of the cluster has a GPU; use --device cpu")
        waiting = deque(_Way(place, Course(plan, job)) for place, job in enumerate(plan.jobs))
        try:
            while waiting or calls:
                # One waits for every one that runs: slots whose searches end together find their next one there.
                while waiting and len(calls) < 2 * calls.room:
                    yield from self._on(plan, waiting.popleft(), calls, asked.fingerprints)
                for (way, wanted), result in calls.ended() if calls else ():
                    yield self._noted(way, way.course.end(wanted, _found(way.course, result)))
                    yield from self._on(plan, way, calls, asked.fingerprints)
        finally:
            calls.cancel()

    def _on(
        self, plan: AttackPlan, way: _Way, calls: Calls[tuple[_Way, Wanted]], fingerprints: Mapping[str, str]
    ) -> Iterator[Made]:
        """Go on with a job up to its next search."""
        while (step := way.course.next()) is not None:
            if isinstance(step, Made):
                yield self._noted(way, step)
            elif step.job.spec is None:  # noise: it takes less time than its way
                yield self._noted(way, way.course.end(step, attempt(plan, way.course, step, "cpu")))
            else:
                smaller = {c.label: changes(way.course.clip.clean, c.frames) for c in step.candidates}
                bare = replace(step, candidates=())
                calls.submit((way, bare), fingerprints[step.job.video], bare, smaller)
                break
        way.course.let_go()

    def _noted(self, way: _Way, made: Made) -> Made:
        way.done += 1
        if self.counts is not None:
            self.counts.note(way.place, way.done)
        return made


@dataclass
class _Way:
    """A job under way on the cluster."""

    place: int
    course: Course
    done: int = 0


def _found(course: Course, result: Any) -> Found | Exception:
    """What a task gave, with all frames of the video."""
    if isinstance(result, Exception):
        return result
    changed, record, strip = result
    try:
        return Found(with_changes(course.clip.clean, changed), record, strip)
    except Exception as error:  # the video can no longer be read here
        return error
