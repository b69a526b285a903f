"""What a run directory holds of a plan: what is done, what is to do, and the records of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from robust_vos_bench.conditions import Condition
from robust_vos_bench.runs.cells import Cells, Place, StoredCells
from robust_vos_bench.runs.plan import Plan, Unit
from robust_vos_bench.runs.records import CellCounts, UnitRecord
from robust_vos_bench.runs.store import RunStore

_ABSENT, _OK, _FAILED, _OUTDATED, _OTHER = range(5)
"""What is known of a unit, one byte each: no record; scored; failed; scored under another key; any other record."""


class RunState:
    """Which units of a plan are done and which are still to do; every cell file is read once for that.

    overwrite: "missing" runs what is not done, failed units included; "always" runs everything; "never" runs nothing.
    A unit whose masks are to be saved and are neither there nor counted is not done. In memory are a few bytes per
    unit and as many records as `StoredCells` keeps.
    """

    def __init__(self, plan: Plan, store: RunStore, overwrite: str = "missing") -> None:
        self.plan = plan
        self._models = {spec.record.name: i for i, spec in enumerate(plan.models)}
        self._conditions = {condition.label: condition for condition in plan.conditions}
        self._index = {video: i for i, video in enumerate(plan.videos)}
        self._cells = StoredCells(store, ((name, label) for label in self._conditions for name in self._models))
        self._known: dict[Place, bytearray] = {}
        self._todo: dict[Place, bytearray] = {}
        self._pending: list[Unit] | None = None
        self.done = 0
        """Units that were done when the directory was read, or taken over from other run directories since."""
        self.reused = 0
        """Those of them that were taken over."""
        self.stale = 0
        """Units scored before their data, their corruption or the code changed; they are among `pending`."""
        for place in self._cells:
            self._read(place, store, overwrite)

    def _read(self, place: Place, store: RunStore, overwrite: str) -> None:
        name, label = place
        keys = self.plan.keys(self._models[name], self._conditions[label])
        cell = self._cells[place]
        known = self._known[place] = bytearray(
            _known(cell.get(video), key) for video, key in zip(self.plan.videos, keys)
        )
        whole = bytearray(code == _OK for code in known)
        if self.plan.save_masks and overwrite == "missing":
            for i, video in enumerate(self.plan.videos):
                whole[i] = whole[i] and (store.has_masks(cell[video]) or store.are_counted(cell[video]))
        if overwrite == "always":
            self._todo[place] = bytearray(b"\1" * len(known))
        else:
            self.done += sum(whole)
            self._todo[place] = bytearray(overwrite != "never" and not w for w in whole)
        self.stale += overwrite != "never" and known.count(_OUTDATED)

    @property
    def pending(self) -> list[Unit]:
        """Units to be computed, in the order of the plan."""
        if self._pending is None:
            self._pending = []
            for label, condition in self._conditions.items():
                todo = [self._todo[name, label] for name in self._models]
                if any(any(flags) for flags in todo):
                    self._pending += [
                        Unit(model, condition, video)
                        for video, i in self._index.items()
                        for model, flags in enumerate(todo)
                        if flags[i]
                    ]
        return self._pending

    @property
    def total(self) -> int:
        """All units of the plan."""
        return self.done + len(self.pending)

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
        self._cells.wrote(record)
        self._note(record)

    def suppose(self, record: UnitRecord) -> None:
        """Take in a record that is not written: this directory is only looked at."""
        self._cells.supposes(record)
        self._note(record)

    def _note(self, record: UnitRecord) -> None:
        i = self._index.get(record.video)
        if i is not None:
            key = self.plan.key(self._models[record.model], self._conditions[record.condition], record.video)
            self._known[record.model, record.condition][i] = _known(record, key)

    def take_over(self, records: Iterable[UnitRecord]) -> None:
        """Take in records from other run directories, which have just been written here: they are no longer pending."""
        for record in records:
            todo, i = self._todo[record.model, record.condition], self._index[record.video]
            if todo[i]:
                todo[i] = 0
                self._pending = None
                self.done += 1
                self.reused += 1
            self.add(record)

    def outdated(self) -> Iterator[tuple[Unit, UnitRecord]]:
        """Units whose scores belong to other data, corruptions or code than the plan's."""
        for place, known in self._known.items():
            if _OUTDATED in known:
                condition, cell = self._conditions[place[1]], self._cells[place]
                for video, code in zip(self.plan.videos, bytes(known)):
                    if code == _OUTDATED:
                        yield Unit(self._models[place[0]], condition, video), cell[video]

    def counts(self) -> CellCounts:
        """Units by what is known of them now."""
        counts = CellCounts()
        for known in self._known.values():
            counts.planned += len(known)
            counts.ok += known.count(_OK)
            counts.failed += known.count(_FAILED)
        counts.pending = counts.planned - counts.ok - counts.failed
        return counts

    def scored(self) -> Iterator[tuple[Condition, UnitRecord]]:
        """Records of the units that are done, model by model, then condition by condition."""
        for name in self._models:
            for label, condition in self._conditions.items():
                cell = self._cells[name, label]
                for video, code in zip(self.plan.videos, self._known[name, label]):
                    if code == _OK:
                        yield condition, cell[video]


def _known(record: UnitRecord | None, key: str) -> int:
    if record is None:
        return _ABSENT
    if record.ok:
        return _OK if record.key == key else _OUTDATED
    return _FAILED if record.failed and record.key == key else _OTHER
