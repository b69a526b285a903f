"""Which invocations made the numbers of a run, and how each of its parts is repeated."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from robust_vos_bench.analysis.run import Run
from robust_vos_bench.runs.invocation import InvocationRecord


@dataclass(frozen=True)
class Made:
    """An invocation with what it made of what is shown."""

    invocation: InvocationRecord
    run: str
    """Id of the run that it was part of."""
    models: tuple[str, ...]
    units: int

    @property
    def times(self) -> str:
        """When it began and ended, as far as known."""
        ended = self.invocation.ended
        return f"{self.invocation.started} to {ended if ended is not UNSET else '(did not end)'}"


@dataclass(frozen=True)
class Repeat:
    """How one part of what is shown is repeated; both are empty where that is not known."""

    run: str
    models: tuple[str, ...]
    command: tuple[str, ...]
    call: str


def made_by(run: Run) -> list[Made]:
    """The invocations that made the numbers of a run, oldest first."""
    found: dict[tuple[str, str], Made] = {}
    for name, source in run.sources.items():
        for invocation, units in source.invocations(run.tally.invocations.get(name, {})):
            part = invocation.run or source.manifest.run_id
            before = found.get((part, invocation.id))
            models = (*(before.models if before else ()), name)
            found[part, invocation.id] = Made(invocation, part, models, units + (before.units if before else 0))
    return sorted(found.values(), key=lambda made: made.invocation.started)


def repeats(run: Run) -> list[Repeat]:
    """How every run directory or packed result behind a run is repeated."""
    found: dict[str, Repeat] = {}
    for name, source in run.sources.items():
        latest, before = source.manifest.latest, found.get(source.part)
        models = (*(before.models if before else ()), name)
        command, call = ((), "") if latest is None else (tuple(latest.command), latest.call)
        found[source.part] = Repeat(source.manifest.run_id, models, command, call)
    return list(found.values())
