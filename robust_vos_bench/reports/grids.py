"""Tables for readers as columns of text, built from the measures' declarations; templates only lay them out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.measure import Better, Group, Measure
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.analysis.words import points

Format = Literal["text", "markdown", "html"]


@dataclass(frozen=True)
class Column:
    """One column: its heading and one text per row."""

    heading: str
    cells: tuple[str, ...]
    align: Literal["left", "right", "center"] = "right"
    strong: bool = False
    code: bool = False
    """Whether its cells are commands."""
    notes: tuple[str, ...] = ()
    """A second, less prominent text per row, e.g. an interval."""
    drawn: tuple[Interval | None, ...] = ()
    """Per row an interval in 0..100 that pages draw below the text."""
    ascending: bool = False
    """Whether the best value is the smallest one."""


@dataclass(frozen=True)
class Grid:
    """A table: columns of equal length."""

    columns: tuple[Column, ...]

    @property
    def rows(self) -> list[list[tuple[Column, str, str]]]:
        """Per row and column: the column, the text and the note."""
        count = len(self.columns[0].cells)
        return [[(c, c.cells[i], c.notes[i] if c.notes else "") for c in self.columns] for i in range(count)]


def grid(*columns: Column | Sequence[Column]) -> Grid:
    """A table of columns and lists of columns."""
    return Grid(tuple(c for part in columns for c in ([part] if isinstance(part, Column) else part)))


def column(
    heading: str, cells: Iterable[object], align: Literal["left", "right", "center"] = "left", code: bool = False
) -> Column:
    """A column of plain text."""
    return Column(heading, tuple(map(str, cells)), align, code=code)


def span(interval: Interval | None, digits: int = 1) -> str:
    """ "70.1 to 80.2", or n/a."""
    if interval is None or math.isnan(interval.low):
        return "n/a"
    low, high = (round(end, digits) + 0.0 for end in (interval.low, interval.high))  # + 0.0: never "-0.0"
    return f"{low:.{digits}f} to {high:.{digits}f}"


def value_text(row: RobustnessRow, measure: Measure, shown_in: Format) -> str:
    """A value as tables for readers show it: "58.5", "58.5 contrast-5", "75.7 at 5", "12" (a count), or n/a."""
    value = row.value(measure.key)
    if value is None or math.isnan(value.number):
        return "n/a"
    number = str(value.number) if isinstance(value.number, int) else points(value.number)
    if value.where == "" or shown_in not in measure.where_formats:
        return number
    return f"{number} at {value.where}" if isinstance(value.where, int) else f"{number} {value.where}"


def measure_columns(rows: Sequence[RobustnessRow], chosen: Iterable[Measure], shown_in: Format) -> list[Column]:
    """One column per measure, and one for its interval where the rendering shows it."""
    found: list[Column] = []
    for measure in chosen:
        found.append(
            Column(
                heading=measure.key if shown_in == "text" else measure.title,
                cells=tuple(value_text(row, measure, shown_in) for row in rows),
                align="left" if measure.where_key and shown_in in measure.where_formats else "right",
                strong=measure.strong,
                ascending=measure.better is Better.LOWER,
            )
        )
        if shown_in in measure.interval_formats:
            found.append(column("95 % CI", (span(row.interval(measure.key)) for row in rows), "center"))
    return found


def headline_columns(
    table: RobustnessTable, rows: Sequence[RobustnessRow], shown_in: Format, families: bool
) -> list[Column]:
    """The headline measures, with the families before those that name a place ("worst")."""
    chosen = table.chosen(Group.HEADLINE, shown_in)
    first = measure_columns(rows, [m for m in chosen if not m.where_key], shown_in)
    last = measure_columns(rows, [m for m in chosen if m.where_key], shown_in)
    return [*first, *(family_columns(table, rows) if families else []), *last]


def family_columns(table: RobustnessTable, rows: Sequence[RobustnessRow], intervals: bool = False) -> list[Column]:
    """Mean score per family of corruptions; intervals: as notes."""
    return [
        Column(
            family,
            tuple(points(row.summary.families[family]) for row in rows),
            notes=tuple(span(row.families[family]) for row in rows) if intervals else (),
            drawn=tuple(row.families[family] for row in rows) if intervals else (),
        )
        for family in table.families
    ]


def interval_columns(table: RobustnessTable, rows: Sequence[RobustnessRow]) -> list[Column]:
    """Every headline measure that has an interval, with it as a note; families after those that have weights."""
    found: list[Column] = []
    for measure in table.chosen(Group.HEADLINE, "html"):
        spans = [row.interval(measure.key) for row in rows]
        if any(s is not None for s in spans):
            cells = tuple(value_text(row, measure, "html") for row in rows)
            drawn = () if measure.low < 0 or measure.high > 100 else tuple(spans)
            found.append(Column(measure.title, cells, notes=tuple(map(span, spans)), drawn=drawn))
    return found


def measure_grid(table: RobustnessTable, rows: Sequence[RobustnessRow], group: Group, shown_in: Format) -> Grid | None:
    """The table of a group of measures, a row per model to which any of them applies; None where there is none."""
    chosen = table.chosen(group, shown_in)
    shown = [row for row in rows if any(row.value(m.key) is not None for m in chosen)]
    if not shown:
        return None
    return grid(column("model", (row.model for row in shown)), measure_columns(shown, chosen, shown_in))


def legend(table: RobustnessTable, group: Group, shown_in: Format) -> str:
    """The sentences that say what the measures of a table are."""
    return " ".join(m.legend for m in table.measures.values() if m in table.chosen(group, shown_in) and m.legend)
