"""Charts of one row per model that fill any width: scores and differences with their intervals drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.words import points
from robust_vos_bench.reports.charts.canvas import colour_class, marker, number, ticks
from robust_vos_bench.reports.grids import span

HIGH = 22
"""Units of height of the marks of a row, which stand below its label."""

MOST = 12
"""Rows that are open; the others can be opened."""


@dataclass(frozen=True)
class Bar:
    """One row: a value with its interval, and a reference such as the clean score."""

    model: int
    """Its place in the table, which decides its colour."""
    label: str
    value: Interval
    reference: float = math.nan
    note: str = ""
    """Right of the label; by default the value with its interval."""


def interval_chart(
    bars: Sequence[Bar], alt: str, xlabel: str, scale: tuple[float, float], zero: bool = False
) -> Markup | None:
    """A row per bar on one scale. Horizontal places are per cent of the width, so that text keeps its size on any
    screen. zero: draw a line at 0."""
    if not bars:
        return None
    low, high = scale

    def at(value: float) -> str:
        return f"{1 + 98 * (min(max(value, low), high) - low) / ((high - low) or 1):.2f}%"

    places = [(at(value), "axis" if zero and value == 0 else "grid") for value in ticks(low, high, 6)]
    lines = Markup("").join(
        Markup('<line class="{}" x1="{}" x2="{}" y1="0" y2="{}"/>').format(kind, x, x, HIGH) for x, kind in places
    )
    words = Markup("").join(
        Markup('<text class="tick" x="{}" y="12" text-anchor="{}">{}</text>').format(
            at(tick), _anchor(at(tick)), f"{tick:g}"
        )
        for tick in ticks(low, high, 6)
    )
    scale_row = Markup('<svg width="100%" height="16" aria-hidden="true">{}</svg>').format(words)
    label = Markup('<div class="label">{}</div>').format(xlabel)

    def rows(of: Sequence[Bar]) -> Markup:
        return Markup("").join(_row(bar, lines, at) for bar in of) + scale_row

    shown = bars[:MOST] if len(bars) > MOST + 2 else bars
    rest = bars[len(shown) :]
    more = Markup("<details><summary>{} more models</summary>{}</details>").format(len(rest), rows(rest))
    return Markup('<div class="rows" role="group" aria-label="{}">{}{}{}</div>').format(
        alt, rows(shown), label, more if rest else ""
    )


def _anchor(place: str) -> str:
    """Ticks at the ends stay inside."""
    share = float(place.rstrip("%"))
    return "start" if share < 4 else "end" if share > 96 else "middle"


def _row(bar: Bar, lines: Markup, at: Callable[[float], str]) -> Markup:
    known = not math.isnan(bar.value.value)
    note = bar.note or (f"{points(bar.value.value)} ({span(bar.value)})" if known else "n/a: cells are missing")
    y = HIGH / 2
    own = colour_class(bar.model)
    marks = [lines]
    if known and not math.isnan(bar.value.low):
        ends = at(bar.value.low), at(bar.value.high)
        marks.append(Markup('<line class="{} span" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(own, *ends, y, y))
        marks += [
            Markup('<line class="{} cap" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(own, x, x, y - 4, y + 4)
            for x in ends
        ]
    if not math.isnan(bar.reference):
        marks.append(_placed(marker(bar.model, 0, 0, 4, hollow=True), at(bar.reference), y))
    if known:
        marks.append(_placed(marker(bar.model, 0, 0, 5), at(bar.value.value), y))
    return Markup(
        '<div class="row" data-m="{}"><span class="name" title="{}">{}</span><span class="note">{}</span>'
        '<svg width="100%" height="{}" aria-hidden="true">{}</svg></div>'
    ).format(bar.model, bar.label, bar.label, note, HIGH, Markup("").join(marks))


def _placed(mark: Markup, x: str, y: float) -> Markup:
    """A marker at a horizontal place in per cent, which `transform` does not know."""
    return Markup('<svg x="{}" y="{}" class="placed">{}</svg>').format(x, number(y), mark)
