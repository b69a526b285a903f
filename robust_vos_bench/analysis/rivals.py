"""The best model against each of the others: paired differences of mPC, and whether they are certain."""

from __future__ import annotations

from dataclasses import dataclass

from robust_vos_bench.analysis.intervals import LEVEL, Interval
from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.table import RobustnessTable


@dataclass(frozen=True)
class Rival:
    """One model beside the best one."""

    model: str
    behind: Interval
    """Best minus this one, in points, paired over videos."""
    p: float
    """Two-sided, never below what so few videos can show."""

    @property
    def certain(self) -> bool:
        """Whether the difference is beyond doubt: an interval clear of zero, and enough videos to say so."""
        return self.behind.excludes_zero and self.p < 1 - LEVEL


def rivals(table: RobustnessTable) -> tuple[str, list[Rival]]:
    """(the best complete model by mPC, the others from near to far); ("", []) where no model is complete."""
    weights = table.jackknife.statistics.get("mPC")
    complete = [row for row in in_order(table) if row.rank is not None]
    if weights is None or not complete:
        return "", []
    best = max(complete, key=lambda row: table.jackknife.value(row.index, weights))
    found = []
    for row in complete:
        if row is not best:
            found.append(Rival(row.model, *table.jackknife.difference(best.index, row.index, weights)))
    return best.model, sorted(found, key=lambda rival: rival.behind.value)
