"""What a robustness measure is: its name, direction and range, how it is computed and where it is shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.formulas import Recovery
from robust_vos_bench.analysis.intervals import Interval, Jackknife
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.object_stats import ObjectStats
from robust_vos_bench.analysis.summary import Summary, mean
from robust_vos_bench.errors import RvosError
from robust_vos_bench.runs.records import ConditionRecord

FORMATS = frozenset({"text", "markdown", "html", "csv", "json"})
"""The renderings of a robustness table."""
TOLERANCE = 1e-6
"""How far rounding may carry a value beyond its range."""


class Group(Enum):
    """The table that a measure stands in."""

    HEADLINE = "headline"
    ROBUSTNESS = "robustness"
    """Beyond the mean: needs more than the mean scores of cells."""
    BURST = "burst"
    """Recovery after a burst; shown for runs with the severity profile "burst"."""


class Better(Enum):
    """Which values are better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"
    """A count, or a reference for another measure."""


class Value(NamedTuple):
    """The value of a measure for one model."""

    number: float
    """NaN where something it needs is missing. A count is an int."""
    where: str | int = ""
    """What the number belongs to, e.g. the worst condition or severity; "" for most measures."""


@dataclass(frozen=True)
class ModelScores:
    """Everything that a measure may read of one model."""

    matrix: ScoreMatrix
    summary: Summary
    read_objects: Callable[[], Sequence[ObjectStats]] = field(default=tuple, repr=False)

    @cached_property
    def objects(self) -> Sequence[ObjectStats]:
        """Object statistics of the model; empty where none are known. Reading them may take time (saved masks)."""
        return self.read_objects()

    @cached_property
    def corrupted(self) -> list[ConditionRecord]:
        """The corrupted conditions, without those of attacks: they are the worst case, and no part of a mean."""
        return [c for c in self.matrix.conditions if not c.is_clean and not c.is_stored]

    @cached_property
    def clean(self) -> ConditionRecord | None:
        """The clean condition."""
        return next((c for c in self.matrix.conditions if c.is_clean), None)

    def complete(self, label: str) -> bool:
        """Whether every video of a cell is scored."""
        return (self.summary.model, label) not in self.matrix.missing_videos

    def cell_mean(self, label: str, value: Callable[[ObjectStats], float]) -> float:
        """100 x mean of a number in 0..1 over the objects of one cell; NaN where the cell is not complete."""
        known = [value(o) for o in self._by_cell.get(label, ())]
        return 100 * mean(known) if self.complete(label) else math.nan

    def mean_over(self, conditions: Iterable[ConditionRecord], value: Callable[[ObjectStats], float]) -> float:
        """`cell_mean`, averaged as mPC is: over the conditions of a corruption, then over corruptions."""
        return averaged(conditions, lambda label: self.cell_mean(label, value))

    def stability(self, label: str) -> float:
        """100 x mean stability over the objects of one cell, those of videos without truth included.

        NaN where a video or the masks of one are missing.
        """
        here = {(o.video, o.object): o.stability for o in self._untold.get(label, ())}
        wanted = {(o.video, o.object) for cell in self._untold.values() for o in cell}
        values = [math.nan if o.stability is None else o.stability for o in self._by_cell.get(label, ())]
        values += [math.nan if v is None else v for v in here.values()]
        return 100 * mean(values) if self.complete(label) and here.keys() == wanted else math.nan

    def extra_mean(self, label: str, names: Sequence[str]) -> float:
        """100 x mean over the objects of one cell that have them, over several numbers of the authors' protocol; NaN
        where the cell is not complete or no object has them."""
        m = self.matrix
        row = m.models.index(self.summary.model), next(i for i, c in enumerate(m.conditions) if c.label == label)
        known = [values[~np.isnan(values)] for values in (m.extra[name][row] for name in names)]
        return 100 * mean(float(v.mean()) if len(v) else math.nan for v in known) if self.complete(label) else math.nan

    def extra_over(self, names: Sequence[str], conditions: Iterable[ConditionRecord]) -> float | None:
        """`extra_mean`, averaged as mPC is; None without conditions."""
        chosen = list(conditions)
        if not chosen:
            return None
        kinds = dict.fromkeys(c.corruption for c in chosen)
        return mean(mean(self.extra_mean(c.label, names) for c in chosen if c.corruption == kind) for kind in kinds)

    @cached_property
    def recoveries(self) -> list[Recovery] | None:
        """Recovery of every object in every burst cell that could be measured; None in runs without bursts."""
        labels = [c.label for c in self.corrupted if c.profile == "burst"]
        if not labels:
            return None
        return [o.recovery for label in labels for o in self._by_cell.get(label, ()) if o.recovery is not None]

    @cached_property
    def bursts_complete(self) -> bool:
        """Whether every burst cell is complete and at least one recovery could be measured."""
        return bool(self.recoveries) and all(self.complete(c.label) for c in self.corrupted if c.profile == "burst")

    @cached_property
    def _by_cell(self) -> dict[str, list[ObjectStats]]:
        return _cells(stats for stats in self.objects if stats.scored)

    @cached_property
    def _untold(self) -> dict[str, list[ObjectStats]]:
        """Objects of videos without truth."""
        return _cells(stats for stats in self.objects if not stats.scored)


def averaged(conditions: Iterable[ConditionRecord], of_cell: Callable[[str], float]) -> float:
    """The mean of a number of cells as mPC is: over the conditions of a corruption, then over corruptions."""
    chosen = list(conditions)
    names = dict.fromkeys(c.corruption for c in chosen)
    return mean(mean(of_cell(c.label) for c in chosen if c.corruption == name) for name in names)


def _cells(objects: Iterable[ObjectStats]) -> dict[str, list[ObjectStats]]:
    found: dict[str, list[ObjectStats]] = {}
    for stats in objects:
        found.setdefault(stats.condition, []).append(stats)
    return found


@dataclass(frozen=True)
class Measure:
    """A robustness measure. Tables, files and pages take all that they show of it from here.

    To add one, declare it and pass it to `register_measure`, before the table is made.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> from robust_vos_bench.analysis.measure import Better
    >>> half = rvos.Measure("half", lambda scores: scores["P"] / 2, better=Better.HIGHER, low=0, high=50)
    >>> half.key
    'half'
    """

    key: str
    """Key in JSON, and column in CSV files and data frames."""
    of: Callable[[ModelScores], Value | float | None]
    """Its value for one model: NaN where something is missing, None where the measure does not apply to the run."""
    better: Better
    low: float
    high: float
    """The range of its values (in points, percent or frames); a value outside is an error."""
    group: Group = Group.ROBUSTNESS
    heading: str = ""
    """Heading of its column in tables for readers. Default: `key`."""
    legend: str = ""
    """One sentence below the table that says what it is."""
    where_key: str = ""
    """Key of `Value.where`, for measures that have one."""
    formats: frozenset[str] = FORMATS
    """The renderings that show its number; `text` shows the group HEADLINE only. Data frames show every number."""
    where_formats: frozenset[str] = FORMATS - {"text"}
    """The renderings that show `Value.where`."""
    weights: str = ""
    """Name of the linear statistic (`intervals.statistics`) that it is, which gives it an interval and lets `compare`
    test differences. Registered measures may have an `interval` function instead."""
    interval: Callable[[Jackknife, int], Interval | None] | None = None
    """Interval for the model with this index, where the measure is not linear; None where a run cannot have one."""
    interval_formats: frozenset[str] = frozenset()
    """The renderings that show its interval; data frames show every interval."""
    reference_of: str = ""
    """Key of the measure that this is the clean reference of; tables for readers show it before that one."""
    strong: bool = False
    """Whether tables for readers print it bold."""
    needs: tuple[str, ...] = ()
    """Numbers of the data set's protocol (`ScoreMatrix.extra`) without which a table has no such measure."""

    def applies(self, matrix: ScoreMatrix) -> bool:
        """Whether a table of these scores has it at all."""
        return all(name in matrix.extra for name in self.needs)

    @property
    def title(self) -> str:
        """Heading of its column."""
        return self.heading or self.key

    def value(self, scores: ModelScores) -> Value | None:
        """Its value for one model, None where it does not apply. Raises RvosError for a value outside its range."""
        found = self.of(scores)
        if found is None:
            return None
        value = found if isinstance(found, Value) else Value(found)
        if value.number < self.low - TOLERANCE or value.number > self.high + TOLERANCE:
            raise RvosError(
                f"measure {self.key!r} of model {scores.summary.model!r} is {value.number:g}, outside its range "
                f"{self.low:g}..{self.high:g}: its definition or its declared range is wrong"
            )
        return value

    def interval_for(self, jackknife: Jackknife, model: int) -> Interval | None:
        """Its interval for the model with this index; None where it has none in this run."""
        if self.interval is not None:
            return self.interval(jackknife, model)
        weights: NDArray[np.float64] | None = jackknife.statistics.get(self.weights)
        return None if weights is None else jackknife.interval(model, weights)
