"""Charts of one row per model that fill any width: scores and differences with their intervals drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.words import points
from robust_vos_bench.reports.charts.canvas import colour_class, marker, number, ticks
from robust_vos_bench.reports.grids import span

ROW = 38
"""Units of height per row: a line of text, and the marks below it."""


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

    height = ROW * len(bars) + 34
    parts: list[Markup] = []
    for tick in ticks(low, high, 6):
        x = at(tick)
        kind = "axis" if zero and tick == 0 else "grid"
        parts.append(
            Markup('<line class="{}" x1="{}" x2="{}" y1="0" y2="{}"/>').format(kind, x, x, ROW * len(bars) + 4)
        )
        anchor = "start" if tick == low else "end" if tick == high else "middle"
        parts.append(
            Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                x, ROW * len(bars) + 17, anchor, f"{tick:g}"
            )
        )
    parts.append(Markup('<text class="label" x="50%" y="{}" text-anchor="middle">{}</text>').format(height - 3, xlabel))
    parts += [_row(bar, ROW * i, at) for i, bar in enumerate(bars)]
    return Markup('<svg class="rows" width="100%" height="{}" role="img" aria-label="{}">{}</svg>').format(
        number(height), escape(alt), Markup("").join(parts)
    )


def _row(bar: Bar, top: float, at: Callable[[float], str]) -> Markup:
    known = not math.isnan(bar.value.value)
    note = bar.note or (f"{points(bar.value.value)} ({span(bar.value)})" if known else "n/a: cells are missing")
    y = top + 27
    own = colour_class(bar.model)
    marks = [
        Markup(
            '<text class="name" x="1%" y="{}">{}</text><text class="note" x="99%" y="{}" text-anchor="end">{}</text>'
        ).format(number(top + 14), bar.label, number(top + 14), note)
    ]
    if known and not math.isnan(bar.value.low):
        ends = at(bar.value.low), at(bar.value.high)
        marks.append(Markup('<line class="{} span" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(own, *ends, y, y))
        for x in ends:
            marks.append(
                Markup('<line class="{} cap" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(own, x, x, y - 4, y + 4)
            )
    if not math.isnan(bar.reference):
        marks.append(_placed(marker(bar.model, 0, 0, 4, hollow=True), at(bar.reference), y))
    if known:
        marks.append(_placed(marker(bar.model, 0, 0, 5), at(bar.value.value), y))
    hit = Markup('<rect class="hit" x="0" y="{}" width="100%" height="{}"/>').format(number(top), ROW)
    return Markup('<g data-m="{}">{}{}</g>').format(bar.model, hit, Markup("").join(marks))


def _placed(mark: Markup, x: str, y: float) -> Markup:
    """A marker at a horizontal place in per cent, which `transform` does not know."""
    return Markup('<svg x="{}" y="{}" class="placed">{}</svg>').format(x, number(y), mark)
