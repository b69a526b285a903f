"""What a run directory holds of a plan: every cell file is read once, and what is written since is known too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from robust_vos_bench.conditions import Condition
from robust_vos_bench.runs.plan import Plan, Unit
from robust_vos_bench.runs.records import CellCounts, UnitRecord
from robust_vos_bench.runs.store import RunStore

Cells = Mapping[tuple[str, str], Mapping[str, UnitRecord]]
"""(model name, condition label) -> video -> newest record."""


class RunState:
    """The records of a plan's cells, and which units are still to do.

    overwrite: "missing" runs what is not done, failed units included; "always" runs everything; "never" runs nothing.
    A unit whose masks are to be saved and are neither there nor counted is not done.
    """

    def __init__(self, plan: Plan, store: RunStore, overwrite: str = "missing") -> None:
        self.plan = plan
        self._cells: dict[tuple[str, str], dict[str, UnitRecord]] = {
            (spec.record.name, condition.label): store.records(condition.label, spec.record.name)
            for spec in plan.models
            for condition in plan.conditions
        }
        self.done = 0
        """Units that were done when the directory was read, or taken over from other run directories since."""
        self.reused = 0
        """Those of them that were taken over."""
        self.stale = 0
        """Units scored before their data, their corruption or the code changed; they are among `pending`."""
        self._pending: dict[tuple[str, str, str], Unit] = {}
        for unit in plan.units():
            whole = self._is_done(unit, store, overwrite)
            if whole and overwrite != "always":
                self.done += 1
            elif overwrite != "never":
                record = self.newest(unit)
                self.stale += record is not None and record.ok and record.key != self.key(unit)
                self._pending[self._place(unit)] = unit

    def _is_done(self, unit: Unit, store: RunStore, overwrite: str) -> bool:
        record = self.newest(unit)
        if record is None or not record.ok or record.key != self.key(unit):
            return False
        if not self.plan.save_masks or overwrite != "missing":
            return True
        return store.has_masks(record) or store.are_counted(record)

    def _place(self, unit: Unit) -> tuple[str, str, str]:
        return self.plan.models[unit.model].record.name, unit.condition.label, unit.video

    @property
    def pending(self) -> list[Unit]:
        """Units to be computed, in the order of the plan."""
        return list(self._pending.values())

    @property
    def total(self) -> int:
        """All units of the plan."""
        return self.done + len(self._pending)

    @property
    def cells(self) -> Cells:
        """Every cell with the newest record of each video, whatever its key."""
        return self._cells

    def cell(self, model: int, condition: Condition) -> Mapping[str, UnitRecord]:
        """Video -> newest record of one cell."""
        return self._cells[self.plan.models[model].record.name, condition.label]

    def newest(self, unit: Unit) -> UnitRecord | None:
        """The newest record of a unit, whatever its key; None where there is none."""
        return self.cell(unit.model, unit.condition).get(unit.video)

    def key(self, unit: Unit) -> str:
        """The key under which a record of this unit counts today."""
        return self.plan.key(unit.model, unit.condition, unit.video)

    def add(self, record: UnitRecord) -> None:
        """Take in a record that has just been written."""
        self._cells[record.model, record.condition][record.video] = record

    def take_over(self, records: Iterable[UnitRecord]) -> None:
        """Take in records from other run directories, which have just been written here: they are no longer pending."""
        for record in records:
            if self._pending.pop((record.model, record.condition, record.video), None) is not None:
                self.done += 1
                self.reused += 1
            self.add(record)

    def outdated(self) -> Iterator[tuple[Unit, UnitRecord]]:
        """Units whose scores belong to other data, corruptions or code than the plan's."""
        for unit in self.plan.units():
            record = self.newest(unit)
            if record is not None and record.ok and record.key != self.key(unit):
                yield unit, record

    def counts(self) -> CellCounts:
        """Units by what is known of them now."""
        counts = CellCounts()
        for unit in self.plan.units():
            record = self.newest(unit)
            counts.planned += 1
            if record is None or record.key != self.key(unit):
                counts.pending += 1
            elif record.ok:
                counts.ok += 1
            else:
                counts.failed += record.failed
                counts.pending += not record.failed
        return counts

    def scored(self) -> Iterator[tuple[Condition, UnitRecord]]:
        """Records of the units that are done, model by model, then condition by condition."""
        for model in range(len(self.plan.models)):
            for condition in self.plan.conditions:
                for video in self.plan.videos:
                    record = self.newest(Unit(model, condition, video))
                    if record is not None and record.ok and record.key == self.plan.key(model, condition, video):
                        yield condition, record
