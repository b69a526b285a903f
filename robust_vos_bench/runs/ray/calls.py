"""Calls of one function as tasks of a cluster, for work that is no group of a run: Ray schedules and tries again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from robust_vos_bench.errors import RvosError
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.ray.engine import RayEngine, first_line
from robust_vos_bench.runs.writer import ATTEMPTS

Item = TypeVar("Item")


class Calls(Generic[Item]):
    """Calls under way, each for an item of the caller's.

    engine: has joined its cluster. plan: models and data that a call needs, asked of every node before anything is
    spent. body: called on a node with the shared object, the `Need` of a task, the actor that has the data (None where
    nodes see it), and the arguments of `submit`. Raises DataError where a node cannot be used, UsageError where none
    has what a task needs.
    """

    def __init__(self, engine: RayEngine, plan: Plan, body: Callable[..., Any], shared: object) -> None:
        self._ray = engine.ray
        self.need, self._files = engine.prepare(plan, self._ray.put(plan), "")
        self._engine, self._shared = engine, self._ray.put(shared)
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
        """How many calls run at a time now: nodes come and go."""
        return self._engine.room(self.need)

    def submit(self, item: Item, *given: object) -> None:
        """Call the function wherever there is room."""
        self._flying[self._remote.remote(self._shared, self.need, self._files, *given)] = item

    def ended(self) -> Iterator[tuple[Item, Any]]:
        """(item, result) of calls that have ended, one at least; an exception in the place of a result where the call
        raised it or was lost."""
        done, _ = self._ray.wait(list(self._flying), num_returns=1)
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
