"""A lane: one process on one node that keeps its models and works through the groups it is given, in order.

The driver gives a lane more than one group. It is told of those that follow while it works, so that producers make
their frames ahead, and the next call waits at the lane itself, so that nothing travels between two groups.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robust_vos_bench.runs.local.workers import GPU_RUINED, PRODUCER_DIED, device_lost
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.ray.board import RemotePulse
from robust_vos_bench.runs.ray.nodes import Need, inspect_node
from robust_vos_bench.runs.ray.transfer import RemoteFiles, ShippedDataset
from robust_vos_bench.runs.work.process import limit_threads
from robust_vos_bench.runs.work.worker import Worker
from robust_vos_bench.runs.writer import Scored

CALLS = 2
"""Groups that wait or run at a lane."""
AHEAD = 1
"""Groups beyond them that a lane with producers is told of."""


class LaneBody:
    """The actor: all models of one corrupted video after the other."""

    def __init__(self, plan: Plan, need: Need, folder: str, files: Any, board: Any) -> None:
        """files: the actor that has the data, where nodes may lack it. board: the actor that is told how far it is."""
        limit_threads(1)
        self._plan, self._folder = plan, folder
        self._device = "cuda" if need.gpus else "cpu"
        if files is not None:
            plan = replace(plan, dataset=ShippedDataset(plan.dataset, plan.fingerprints, RemoteFiles(files)))
        scratch = Path(tempfile.mkdtemp(prefix="rvos-ray-")) if need.producers else None
        self._worker = Worker(plan, self._device, Path(folder), need.producers, scratch, RemotePulse(board))
        self._known: tuple[Group, ...] = ()

    def begin(self, version: str) -> dict[str, Any]:
        """What `inspect_node` finds, and "gone": why there is no GPU where there was one, or ""."""
        lost = device_lost(self._device)
        return {**inspect_node(self._plan, version, self._folder), "gone": str(lost) if lost else ""}

    def run(self, group: Group, following: Sequence[Group]) -> Iterator[tuple[Scored, bool]]:
        """Results of a group as they are made, each with whether the GPU can be used no more in this process.

        following: groups that will be run here next, as far as they are known.
        """
        if self._worker.ruined:
            os._exit(GPU_RUINED)  # nothing can be tidied up through such a context; another process takes the group
        try:
            for gone in [known for known in self._known if known not in (group, *following)]:
                self._worker.forget(gone)  # given to another lane meanwhile
            for known in (group, *following):
                if known not in self._known:
                    self._worker.announce(known)
            self._known = (group, *following)
            for result in self._worker.run(group):
                yield result, self._worker.ruined
                if self._worker.ruined:
                    return
        except BrokenProcessPool:
            os._exit(PRODUCER_DIED)

    def close(self) -> None:
        """Stop the producers and close the trace."""
        self._worker.close()


@dataclass
class Call:
    """A group at a lane."""

    results: Any
    """Ray's generator of what `LaneBody.run` yields."""
    group: Group
    """Only the models that have not reported yet."""

    def reported(self, model: int) -> None:
        """One model is done."""
        self.group = replace(self.group, models=tuple(m for m in self.group.models if m != model))


@dataclass
class Lane:
    """The driver's end of a lane."""

    actor: Any
    node: str
    depth: int
    """Groups it holds at a time."""
    begun: Any
    """The answer of `LaneBody.begin` while it is waited for, then None."""
    calls: deque[Call] = field(default_factory=deque)
    waiting: deque[Group] = field(default_factory=deque)
    """Given, and not called yet."""
    withdrawn: bool = False
    """The last call was asked back."""

    @property
    def held(self) -> int:
        """Groups that it has not finished."""
        return len(self.calls) + len(self.waiting)

    @property
    def has_room(self) -> bool:
        """Whether it may be given another group."""
        return self.begun is None and self.held < self.depth

    def call(self) -> None:
        """Hand over what is waiting, as far as calls may wait at the lane."""
        while self.waiting and len(self.calls) < CALLS:
            group = self.waiting.popleft()
            results = self.actor.run.options(num_returns="streaming").remote(group, tuple(self.waiting))
            self.calls.append(Call(results, group))

    def groups(self) -> list[Group]:
        """All that it has not finished, in order."""
        return [call.group for call in self.calls if call.group.models] + list(self.waiting)


def start_lane(ray: Any, node: str, strategy: Any, need: Need, words: Sequence[Any], version: str) -> Lane:
    """Start a lane. strategy: where it runs, by Ray's word. words: of `LaneBody`, the plan as a shared object."""
    kind = ray.remote(num_cpus=need.cpus, num_gpus=need.gpus, max_restarts=0)(LaneBody)
    actor = kind.options(scheduling_strategy=strategy).remote(*words)
    depth = CALLS + (AHEAD if need.producers else 0)
    return Lane(actor, node, depth, actor.begin.remote(version))
