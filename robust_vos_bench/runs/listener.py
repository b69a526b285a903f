"""Who is told of a run while it works, and that telling never loses work."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from robust_vos_bench.runs.activity import Activity
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.state import RunState


class Listener:
    """What a run tells while it works; override what you want to hear.

    A listener that raises is told nothing more; a RuntimeWarning says so and the run goes on, because what it is told
    is on disk already and what is not done yet does not depend on it. To stop a run, raise KeyboardInterrupt.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> class Count(rvos.Listener):
    ...     done = 0
    ...     def unit(self, *told, **more):
    ...         self.done += 1
    >>> count = Count()
    >>> run = rvos.run(model="static", corruption="fog-3", limit=2, overwrite="always", progress=count)
    >>> count.done > 0
    True
    """

    def notice(self, text: str) -> None:
        """Something the user should know before the run starts."""

    def started(self, plan: Plan, state: RunState, folder: Path) -> None:
        """Before the first unit."""

    def working(self, activity: Activity) -> None:
        """Once, after `started`: what the workers do, which may be read at any time and from any thread."""

    def unit(self, record: UnitRecord) -> None:
        """After each unit, when it is on disk."""

    def failed(self, record: UnitRecord, traceback: str) -> None:
        """After `unit`, where a unit failed because other people's code raised: the whole traceback."""

    def interrupted(self) -> None:
        """At the first Ctrl-C."""

    def finished(self) -> None:
        """After the last unit, also when something went wrong."""


class Guarded(Listener):
    """Passes everything on to a listener until it raises."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._raised = False

    def notice(self, text: str) -> None:
        """Pass it on."""
        self._tell("notice", text)

    def started(self, plan: Plan, state: RunState, folder: Path) -> None:
        """Pass it on."""
        self._tell("started", plan, state, folder)

    def working(self, activity: Activity) -> None:
        """Pass it on."""
        self._tell("working", activity)

    def unit(self, record: UnitRecord) -> None:
        """Pass it on."""
        self._tell("unit", record)

    def failed(self, record: UnitRecord, traceback: str) -> None:
        """Pass it on."""
        self._tell("failed", record, traceback)

    def interrupted(self) -> None:
        """Pass it on."""
        self._tell("interrupted")

    def finished(self) -> None:
        """Pass it on."""
        self._tell("finished")

    def _tell(self, what: str, *facts: Any) -> None:
        if self._raised:
            return
        try:
            getattr(self._listener, what)(*facts)
        except Exception as error:  # of the user's code, which the results do not depend on
            self._raised = True
            warnings.warn(
                f"{type(self._listener).__name__}.{what} raised {type(error).__name__}: {error}; the run goes on and "
                "this listener is told nothing more",
                RuntimeWarning,
                stacklevel=2,
            )
