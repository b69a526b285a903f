"""Calls of one function as tasks of a cluster, for work that is no group of a run: Ray schedules and tries again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from robust_vos_bench.errors import RvosError
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.ray.cluster import Cluster, HeadLostError, first_line
from robust_vos_bench.runs.writer import ATTEMPTS

Item = TypeVar("Item")
LOOK_SECONDS = 1.0
"""Seconds between two looks whether the head is still there."""


class Calls(Generic[Item]):
    """Calls under way, each for an item of the caller's.

    cluster: has been joined. plan: models and data that a call needs, asked of every node before anything is
    spent. body: called on a node with the shared object, the `Need` of a task, the actor that has the data (None where
    nodes see it), and the arguments of `submit`. Raises DataError where a node cannot be used, UsageError where none
    has what a task needs.
    """

    def __init__(self, cluster: Cluster, plan: Plan, body: Callable[..., Any], shared: object) -> None:
        self._ray = cluster.ray
        self.need, self._files = cluster.prepare(plan, self._ray.put(plan), "")
        self._cluster, self._shared = cluster, self._ray.put(shared)
        self._remote = self._ray.remote(
            num_cpus=self.need.cpus,
            num_gpus=self.need.gpus,
            max_retries=ATTEMPTS - 1,
            retry_exceptions=False,
            max_calls=0,  # processes stay, with their models
        )(body)
        self._flying: dict[Any, Item] = {}

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def room(self) -> int:
        """How many calls run at a time now: nodes come and go. Raises ClusterLostError where the head is gone."""
        try:
            return self._cluster.room(self.need) if self._cluster.answers() else 0
        except HeadLostError:
            raise self._cluster.lost("was lost") from None

    def submit(self, item: Item, *given: object) -> None:
        """Call the function wherever there is room."""
        self._flying[self._remote.remote(self._shared, self.need, self._files, *given)] = item

    def ended(self) -> Iterator[tuple[Item, Any]]:
        """(item, result) of calls that have ended, one at least; an exception in the place of a result where the call
        raised it or was lost. Raises ClusterLostError where the head is gone."""
        done: list[Any] = []
        while not done:
            done, _ = self._ray.wait(list(self._flying), num_returns=1, timeout=LOOK_SECONDS)
            self.room  # noqa: B018 (a head that is gone answers nothing, and no call ends)
        for call in done:
            yield self._flying.pop(call), self._result(call)

    def cancel(self) -> None:
        """End all that are under way."""
        for call in self._flying:
            self._ray.cancel(call, force=True)
        self._flying.clear()

    def _result(self, call: Any) -> Any:
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, Exception):
                return cause
            return RvosError(f"lost {ATTEMPTS} times on the cluster ({first_line(error)})")
