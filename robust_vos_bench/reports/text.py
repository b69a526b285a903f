"""Tables for a terminal: at most 80 columns wide, `n/a` for what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.analysis.compare import Comparison, Difference
from robust_vos_bench.analysis.intervals import caution, smallest_p
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.measure import Group
from robust_vos_bench.analysis.summary import Summary
from robust_vos_bench.analysis.table import RobustnessTable
from robust_vos_bench.analysis.without_truth import (
    MEANING,
    by_corruption,
    least_stable,
    mean_of,
    severities,
    why_no_scores,
)
from robust_vos_bench.analysis.words import plural, points, unscored_note
from robust_vos_bench.reports.grids import Column, family_columns, headline_columns, legend

WIDTH = 80
FAMILIES = 5
"""Families side by side."""
SHOWN = 5
"""Corruptions and videos of a comparison listed at either end."""


def print_summary(console: Console, table: RobustnessTable, dataset: str, preset: str = "") -> None:
    """The closing table of a run: headline measures, then a table by corruption and severity for every model."""
    matrix, rows = table.matrix, table.by_mpc()
    console.print(f"Robustness on {dataset} · J&F in %, higher is better", markup=False, soft_wrap=True)
    about = [plural(len(matrix.videos), "video"), plural(len(matrix.objects), "object"), preset]
    console.print(" · ".join(words for words in about if words), markup=False, soft_wrap=True)
    models = [row.model for row in rows]
    cells = Column("cells", tuple(f"{row.summary.cells_done}/{row.summary.cells_planned}" for row in rows))
    console.print(_by_model(models, [*headline_columns(table, rows, "text", families=False), cells]))
    families = family_columns(table, rows)
    for start in range(0, len(families) if len(families) > 1 else 0, FAMILIES):
        console.print(_by_model(models, families[start : start + FAMILIES]))
    for row in rows if any(not c.is_clean for c in matrix.conditions) else ():
        console.print(_by_corruption(matrix, row.summary))
    console.print(legend(table, Group.HEADLINE, "text"), markup=False)
    if matrix.unscored:
        count = len(matrix.unscored)
        verb = (
            "never appears after its prompt frame and is"
            if count == 1
            else ("never appear after their prompt frames and are")
        )
        console.print(f"{plural(count, 'object')} {verb} not scored, for any model.", markup=False)
    if matrix.unscored_videos:
        console.print(unscored_note(len(matrix.unscored_videos)), markup=False)
    if any(row.summary.cells_done < row.summary.cells_planned for row in rows):
        console.print("n/a: a video of a needed cell is missing or failed; nothing is filled in.")


def print_without_truth(console: Console, table: RobustnessTable, dataset: str, preset: str = "") -> None:
    """The closing table where nothing could be scored: the stability of each model, in all and by corruption."""
    matrix, rows = table.matrix, list(table)
    console.print(f"Robustness on {dataset} · without truth", markup=False, soft_wrap=True)
    about = [plural(len(matrix.unscored_videos), "video"), preset]
    console.print(" · ".join(words for words in about if words), markup=False, soft_wrap=True)
    console.print(why_no_scores(matrix), markup=False)
    if not any(not math.isnan(row["stability"]) for row in rows):
        console.print("No stability either: masks of a clean and a corrupted run were not saved.", markup=False)
        return
    console.print(_by_model([row.model for row in rows], _stability_columns(table)))
    for row in rows:
        levels = by_corruption(matrix, row)
        console.print(
            _levels(row.model, levels, severities([levels]), {name: mean_of(v) for name, v in levels.items()})
        )
    console.print(MEANING, markup=False)


def print_stability(console: Console, table: RobustnessTable) -> None:
    """After the table of a run that could be scored in part: the stability of all videos."""
    if any(not math.isnan(row["stability"]) for row in table):
        console.print(_by_model([row.model for row in table], _stability_columns(table)))
        console.print(MEANING, markup=False)


def _stability_columns(table: RobustnessTable) -> list[Column]:
    worst = [least_stable(table.matrix, row) for row in table]
    return [
        Column("stability", tuple(points(row["stability"]) for row in table)),
        Column("lowest", tuple("n/a" if w is None else points(w[1]) for w in worst)),
        Column("under", tuple("" if w is None else w[0] for w in worst), align="left"),
    ]


def print_comparison(console: Console, found: Comparison) -> None:
    """A minus B: measures and families with intervals and p, then where the difference comes from."""
    counts = f"{plural(found.videos, 'video')}, {plural(found.objects, 'object')}"
    console.print(f"A = {found.a}, B = {found.b} · {counts} · J&F in points")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("A", "B", "A - B", "95 % interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for difference in found.rows:
        table.add_row(*_difference_cells(difference))
    console.print(table)
    for title, rows in (("corruptions", found.corruptions), ("videos (mPC)", found.by_video)):
        known = [row for row in rows if not math.isnan(row[1])]
        if known:
            console.print(f"{title}, worst for A: {_signed_list(known[:SHOWN])}", soft_wrap=False)
        if len(known) > SHOWN:
            console.print(f"{title}, best for A: {_signed_list(known[-SHOWN:][::-1])}")
    console.print("Paired over videos; p is two-sided, Holm-corrected over families.")
    if found.robust:
        console.print(
            "Threats (kind-frames-ebudget): each model on the frames that hurt it most; p Holm-corrected over threats."
        )
    if found.note:
        console.print(found.note)
    if caution(found.videos):
        console.print(f"{caution(found.videos)} No p can be below {smallest_p(found.videos):.2g}.")


def _difference_cells(row: Difference) -> tuple[str, ...]:
    low, high = row.interval.low, row.interval.high
    value = "n/a" if math.isnan(row.interval.value) else f"{row.interval.value:+.1f}"
    span = "n/a" if math.isnan(low) else f"{low:+.1f} to {high:+.1f}"
    p = "n/a" if math.isnan(row.p) else f"{row.p:.3f}" if row.p >= 0.001 else "<0.001"
    return row.name, points(row.a), points(row.b), value, span, p


def _signed_list(rows: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {value:+.1f}" for name, value in rows)


def _by_model(models: Sequence[str], columns: Sequence[Column]) -> Table:
    """Model names are shortened before numbers are: a cut name can be looked up, a cut number cannot."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=28)
    for column in columns:
        side: Literal["left", "right"] = "left" if column.align == "left" else "right"
        table.add_column(column.heading, justify=side, no_wrap=True, min_width=max(5, len(column.heading)))
    for i, model in enumerate(models):
        table.add_row(model, *(column.cells[i] for column in columns))
    return table


def _by_corruption(matrix: ScoreMatrix, summary: Summary) -> Table:
    """Rows: corruptions of one model; columns: severities and their mean."""
    levels = {
        name: {c.severity: summary.cells[c.label] for c in matrix.conditions if c.corruption == name}
        for name in summary.corruptions
    }
    return _levels(summary.model, levels, severities([levels]), summary.corruptions)


def _levels(
    model: str, levels: Mapping[str, Mapping[int, float]], columns: Sequence[int], means: Mapping[str, float]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(model, no_wrap=True, overflow="ellipsis", max_width=28)
    for name in (*(f"s{severity}" for severity in columns), "mean"):
        table.add_column(name, justify="right", no_wrap=True, min_width=5)
    for name, of in levels.items():
        table.add_row(name, *(points(of[v]) if v in of else "" for v in columns), points(means[name]))
    return table
