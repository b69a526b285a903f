"""How tables show themselves in a notebook: numbers with their intervals drawn, in HTML that needs no style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.words import points


def table_html(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; headings are escaped, cells are HTML. The first column is left-aligned."""
    head = "".join(f"<th style='text-align:{_side(i)}'>{escape(text)}</th>" for i, text in enumerate(headings))
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:{_side(i)}'>{cell}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def drawn(interval: Interval, low: float = 0.0, high: float = 100.0) -> str:
    """An interval in words and as a bar on a scale."""
    if math.isnan(interval.low):
        return "n/a"

    def at(value: float) -> float:
        return 100 * (min(max(value, low), high) - low) / (high - low)

    left, right, middle = at(interval.low), at(interval.high), at(interval.value)
    bar = (
        "<svg width='100' height='9' viewBox='0 0 100 9' style='vertical-align:middle;margin-left:6px'>"
        "<line x1='0' x2='100' y1='4.5' y2='4.5' stroke='currentColor' stroke-opacity='.25'/>"
        f"<line x1='{left:.1f}' x2='{right:.1f}' y1='4.5' y2='4.5' stroke='#0072B2' stroke-width='3'/>"
        f"<circle cx='{middle:.1f}' cy='4.5' r='3.5' fill='#D55E00'/></svg>"
    )
    return f"{points(interval.low)} to {points(interval.high)}{bar}"


def _side(column: int) -> str:
    return "right" if column else "left"
