"""The records of a run's cells, read when they are asked for; only so many are kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.store import RunStore

Place = tuple[str, str]
"""(model name, condition label): a cell."""
Cells = Mapping[Place, Mapping[str, UnitRecord]]
"""Cell -> video -> newest record."""
KEPT = 100_000
"""Records of one run that stay in memory, about 1 kB each: all of them, for most runs; the others are read again."""


class StoredCells(Mapping[Place, Mapping[str, UnitRecord]]):
    """The cells of a run directory. A cell that is not there yet is empty; one that was not asked for is a KeyError.

    To go through a large run once, go cell by cell: whoever wants the same cells again reads them again.
    """

    def __init__(self, store: RunStore, places: Iterable[Place], kept: int | None = None) -> None:
        """kept: records to keep, by default `KEPT`."""
        self.store = store
        self._places = dict.fromkeys(places)
        self._most = KEPT if kept is None else kept
        self._kept: OrderedDict[Place, dict[str, UnitRecord]] = OrderedDict()
        self._count = 0
        self._unwritten: dict[Place, dict[str, UnitRecord]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places)

    def __contains__(self, place: object) -> bool:
        return place in self._places

    def __getitem__(self, place: Place) -> Mapping[str, UnitRecord]:
        """Video -> newest record."""
        cell = self._kept.get(place)
        if cell is not None:
            self._kept.move_to_end(place)
            return cell
        if place not in self._places:
            raise KeyError(place)
        model, label = place
        cell = self.store.records(label, model)
        cell.update(self._unwritten.get(place, {}))
        self._kept[place] = cell
        self._count += len(cell)
        while self._count > self._most and len(self._kept) > 1:
            self._count -= len(self._kept.popitem(last=False)[1])
        return cell

    def wrote(self, record: UnitRecord) -> None:
        """A record of one of these cells is in its file now."""
        cell = self._kept.get((record.model, record.condition))
        if cell is not None:
            self._count += record.video not in cell
            cell[record.video] = record

    def supposes(self, record: UnitRecord) -> None:
        """A record counts as the newest, though it is in no file."""
        self._unwritten.setdefault((record.model, record.condition), {})[record.video] = record
        self.wrote(record)
