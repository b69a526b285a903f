"""The robustness table: every measure of every model with its interval, computed once and rendered many times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from html import escape
from typing import TYPE_CHECKING, Any

from robust_vos_bench.analysis.intervals import Interval, Jackknife
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.measure import Group, Measure, ModelScores, Value
from robust_vos_bench.analysis.measures import measures
from robust_vos_bench.analysis.notebook import drawn, table_html
from robust_vos_bench.analysis.object_stats import ObjectStats
from robust_vos_bench.analysis.order import OrderConsistency, Rank, order_consistency, ranks
from robust_vos_bench.analysis.summary import Summary, summarise
from robust_vos_bench.analysis.words import points
from robust_vos_bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = Interval(math.nan, math.nan, math.nan)


class RobustnessTable:
    """Models x measures, with intervals over videos and ranks by mPC; in points, percent or frames.

    Nothing is computed before it is asked for, and nothing twice. read_objects: model name -> its object statistics
    (lost objects, recovery, stability); by default none are known and those measures are NaN.
    """

    def __init__(
        self,
        matrix: ScoreMatrix,
        read_objects: Callable[[str], Sequence[ObjectStats]] | None = None,
    ) -> None:
        self.matrix = matrix
        self.measures = {measure.key: measure for measure in measures() if measure.applies(matrix)}
        self.rows = tuple(RobustnessRow(self, i, summary, read_objects) for i, summary in enumerate(summarise(matrix)))

    def __repr__(self) -> str:
        return f"RobustnessTable(models={[row.model for row in self.rows]}, conditions={len(self.matrix.conditions)})"

    def __iter__(self) -> Iterator[RobustnessRow]:
        return iter(self.rows)

    def __getitem__(self, model: str) -> RobustnessRow:
        """The row of a model. Raises UsageError for a model that the table does not have."""
        for row in self.rows:
            if row.model == model:
                return row
        raise UsageError(f"no model {model!r} in the table; it has {', '.join(row.model for row in self.rows)}")

    @cached_property
    def jackknife(self) -> Jackknife:
        """What all intervals, ranks and p values come from."""
        return Jackknife(self.matrix)

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Families of corruptions, in the order of the run."""
        return tuple(dict.fromkeys(c.family for c in self.matrix.conditions if not c.is_clean and not c.is_stored))

    @cached_property
    def ranks(self) -> Mapping[int, Rank]:
        """Index of a model -> its rank by mPC; models with missing cells have none."""
        weights = self.jackknife.statistics.get("mPC")
        return {} if weights is None else ranks(self.jackknife, weights)

    @cached_property
    def order(self) -> OrderConsistency:
        """Whether corruption changes the order of the models."""
        return order_consistency(self.jackknife)

    def chosen(self, group: Group | None = None, shown_in: str = "") -> list[Measure]:
        """The measures of a group (None: of all) that a rendering shows, in the order of tables for readers."""
        found = [m for m in self.measures.values() if group in (None, m.group)]
        found = [m for m in found if not shown_in or shown_in in m.formats]
        keys = [m.key for m in found]

        def place(measure: Measure) -> float:
            before = measure.reference_of in keys  # a reference stands before the measure it belongs to
            return keys.index(measure.reference_of) - 0.5 if before else keys.index(measure.key)

        return sorted(found, key=place)

    def by_mpc(self) -> list[RobustnessRow]:
        """Rows from the highest to the lowest mPC; models without mPC last."""
        return sorted(self.rows, key=lambda row: (math.isnan(row.summary.mpc), -row.summary.mpc))

    def frame(self, intervals: bool = True, group: Group | None = None) -> pd.DataFrame:
        """The table as a data frame, one row per model.

        Columns: `model`, one per measure of the group (None: of all) with `<column>_low` and `<column>_high` where it
        has an interval, and for HEADLINE also the families.
        """
        import pandas as pd

        chosen = [m for m in self.measures.values() if group in (None, m.group)]
        rows: list[dict[str, Any]] = []
        for row in self.rows:
            found: dict[str, Any] = {"model": row.model}
            for measure in chosen:
                found |= row.fields(measure)
                span = row.interval(measure.key) if intervals else None
                found |= _ends(measure.key, span)
            if group in (None, Group.HEADLINE):
                for family in self.families:
                    found[family] = row.summary.families[family]
                    found |= _ends(family, row.families[family] if intervals else None)
            rows.append(found)
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        """Every model, best first: rank, P, mPC with its interval drawn on a scale of 0 to 100, rPC, drop, families."""
        headings = ["model", "rank", "P", "mPC", "95 % interval", "rPC", "drop", *self.families]
        rows = []
        for row in self.by_mpc():
            interval = row.interval("mPC")
            found = [escape(row.model), str(row.rank or "–"), points(row["P"]), f"<b>{points(row['mPC'])}</b>"]
            found += ["n/a" if interval is None else drawn(interval), points(row["rPC"]), points(row["drop"])]
            rows.append([*found, *(points(value) for value in row.summary.families.values())])
        return table_html(headings, rows)


class RobustnessRow:
    """One model of a robustness table: `row["mPC"]` is a number, `row.interval("mPC")` its interval."""

    def __init__(
        self,
        table: RobustnessTable,
        index: int,
        summary: Summary,
        read_objects: Callable[[str], Sequence[ObjectStats]] | None,
    ) -> None:
        self.table, self.index, self.summary = table, index, summary
        read = tuple if read_objects is None else partial(read_objects, summary.model)
        self._scores = ModelScores(table.matrix, summary, read)
        self._values: dict[str, Value | None] = {}
        self._intervals: dict[str, Interval | None] = {}

    @property
    def model(self) -> str:
        """Full variant name."""
        return self.summary.model

    @property
    def rank(self) -> Rank | None:
        """None where cells are missing."""
        return self.table.ranks.get(self.index)

    def value(self, key: str) -> Value | None:
        """The value of a measure; None where it does not apply to the run. Raises UsageError for an unknown key."""
        if key not in self._values:
            if key not in self.table.measures:
                raise UsageError(f"no measure {key!r}; there are {', '.join(self.table.measures)}")
            self._values[key] = self.table.measures[key].value(self._scores)
        return self._values[key]

    def __getitem__(self, key: str) -> float:
        """The number of a measure; NaN where it is missing or does not apply to the run."""
        value = self.value(key)
        return math.nan if value is None else value.number

    def where(self, key: str) -> str | int:
        """What the number of a measure belongs to, e.g. the worst condition; "" where it is missing."""
        value = self.value(key)
        return "" if value is None else value.where or ""

    def interval(self, key: str) -> Interval | None:
        """The 95 % interval of a measure; None where it has none in this run, NaN where cells are missing."""
        if key not in self._intervals:
            self._intervals[key] = self.table.measures[key].interval_for(self.table.jackknife, self.index)
        return self._intervals[key]

    def stability(self, label: str) -> float:
        """Stability of one cell in points, also of videos without truth; NaN where masks are missing or must move."""
        return self._scores.stability(label)

    @cached_property
    def families(self) -> dict[str, Interval]:
        """Family of corruptions -> mean score with its 95 % interval."""
        jackknife = self.table.jackknife
        return {f: jackknife.interval(self.index, jackknife.statistics[f"family:{f}"]) for f in self.table.families}

    def fields(self, measure: Measure, digits: int | None = None) -> dict[str, Any]:
        """A measure as data: its key, and its `where_key` where it has one; empty where it does not apply.

        The shorter key comes first: `worst`, `worst_condition`. digits: decimals to round to.
        """
        value = self.value(measure.key)
        if value is None:
            return {}
        number = value.number
        found: dict[str, Any] = {measure.key: round(number, digits) if digits and isinstance(number, float) else number}
        if measure.where_key:
            found[measure.where_key] = value.where
        return dict(sorted(found.items()))


def _ends(key: str, span: Interval | None) -> dict[str, float]:
    return {} if span is None else {f"{key}_low": span.low, f"{key}_high": span.high}
