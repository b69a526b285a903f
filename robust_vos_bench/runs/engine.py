"""What an engine is: it carries out the groups of a plan, on this machine or on many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.writer import RecordWriter


class Engine(Protocol):
    """Runs groups and hands every finished unit to the writer."""

    def ready(self) -> None:
        """Raise a RvosError where it cannot work here; called once, before anything is written, if there is work."""

    def __call__(self, plan: Plan, groups: Sequence[Group], write: RecordWriter) -> None:
        """Run `groups`; returns when all are done, or when `write.stop.asked` and nothing is in flight."""
