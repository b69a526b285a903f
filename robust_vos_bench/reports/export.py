"""The tables of the terminal for a paper, a page or a spreadsheet: LaTeX (booktabs), Markdown, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping

from robust_vos_bench.analysis.compare import Comparison
from robust_vos_bench.analysis.table import RobustnessTable
from robust_vos_bench.analysis.words import points
from robust_vos_bench.reports.grids import Column, Grid, column, grid, headline_columns
from robust_vos_bench.reports.latex import tex
from robust_vos_bench.reports.markdown import escape


def summary_grid(table: RobustnessTable) -> Grid:
    """A row per model, best first: the headline measures and the families."""
    rows = table.by_mpc()
    return grid(column("model", (row.model for row in rows)), headline_columns(table, rows, "text", families=True))


def comparison_grid(found: Comparison) -> Grid:
    """A row per measure, family and threat: A, B, their difference in points with its interval, p."""
    rows = found.rows
    return grid(
        column("", (row.name for row in rows)),
        Column(f"A = {found.a}", tuple(points(row.a) for row in rows)),
        Column(f"B = {found.b}", tuple(points(row.b) for row in rows)),
        Column("A - B", tuple(_signed(row.interval.value) for row in rows)),
        Column("95 % low", tuple(_signed(row.interval.low) for row in rows)),
        Column("95 % high", tuple(_signed(row.interval.high) for row in rows)),
        Column("p", tuple("n/a" if math.isnan(row.p) else f"{row.p:.3g}" for row in rows)),
    )


def as_markdown(shown: Grid) -> str:
    """A pipe table."""
    marks = {"left": "---", "right": "--:", "center": ":-:"}
    lines = [
        [escape(c.heading) for c in shown.columns],
        [marks[c.align] for c in shown.columns],
        *([escape(text) for _, text, _ in row] for row in shown.rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_latex(shown: Grid) -> str:
    """A tabular with the rules of booktabs."""
    letters = "".join({"left": "l", "right": "r", "center": "c"}[c.align] for c in shown.columns)
    lines = [[c.heading for c in shown.columns], *([text for _, text, _ in row] for row in shown.rows)]
    heading, *body = (" & ".join(tex(text) for text in line) + r" \\" for line in lines)
    rules = [rf"\begin{{tabular}}{{{letters}}}", r"\toprule", heading, r"\midrule", *body]
    return "\n".join([*rules, r"\bottomrule", r"\end{tabular}"])


def as_csv(shown: Grid) -> str:
    """Comma-separated, as shown; `scores.csv` of the run has the full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([c.heading for c in shown.columns])
    writer.writerows([cell for _, cell, _ in row] for row in shown.rows)
    return text.getvalue().rstrip("\n")


EXPORTS: Mapping[str, Callable[[Grid], str]] = {"markdown": as_markdown, "latex": as_latex, "csv": as_csv}
"""Word of `--table` -> what makes it."""


def _signed(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:+.1f}"
