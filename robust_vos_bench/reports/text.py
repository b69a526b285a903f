"""Tables for a terminal: at most 80 columns wide, `n/a` for what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.reports.matrix import ScoreMatrix
from robust_vos_bench.reports.summary import Summary

WIDTH = 80


def points(value: float) -> str:
    """One decimal, or n/a."""
    return "n/a" if math.isnan(value) else f"{value:.1f}"


def plural(count: int, noun: str) -> str:
    """ "1 video", "2 videos"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def print_summary(
    console: Console, matrix: ScoreMatrix, summaries: Sequence[Summary], dataset: str, preset: str = ""
) -> None:
    """The closing table of a run: headline numbers, then a table by corruption and severity."""
    console.print(f"Robustness on {dataset} · J&F in %, higher is better", markup=False, soft_wrap=True)
    facts = [plural(len(matrix.videos), "video"), plural(len(matrix.objects), "object"), preset]
    console.print(" · ".join(fact for fact in facts if fact), markup=False, soft_wrap=True)
    console.print(_headline(summaries))
    corrupted = [c for c in matrix.conditions if not c.is_clean]
    if corrupted:
        console.print(_by_corruption(matrix, summaries))
    console.print(
        "P: clean. mPC: mean under corruption. rPC = mPC / P in %. drop = P - mPC.",
        markup=False,
        soft_wrap=True,
    )
    incomplete = [s for s in summaries if s.cells_done < s.cells_planned]
    if incomplete:
        console.print("n/a: cells with missing or failed videos; never filled in, never averaged over.")


def _headline(summaries: Sequence[Summary]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, width=None)
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=22)
    families = list(dict.fromkeys(f for s in summaries for f in s.families))
    shown = families if 1 < len(families) <= 5 else []
    for name in ("P", *shown, "mPC", "rPC", "drop", "worst", "cells"):
        table.add_column(name, justify="right", no_wrap=True)
    for s in sorted(summaries, key=lambda s: (math.isnan(s.mpc), -s.mpc if not math.isnan(s.mpc) else 0.0)):
        table.add_row(
            s.model,
            points(s.p),
            *(points(s.families.get(f, math.nan)) for f in shown),
            points(s.mpc),
            points(s.rpc),
            points(s.drop),
            points(s.worst),
            f"{s.cells_done}/{s.cells_planned}",
        )
    return table


def _by_corruption(matrix: ScoreMatrix, summaries: Sequence[Summary]) -> Table:
    """Rows: model and corruption; columns: severities and their mean."""
    severities = sorted({c.severity for c in matrix.conditions if not c.is_clean})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    several = len(summaries) > 1
    if several:
        table.add_column("model", no_wrap=True, max_width=22)
    table.add_column("corruption", no_wrap=True, max_width=24)
    for severity in severities:
        table.add_column(f"s{severity}", justify="right")
    table.add_column("mean", justify="right")
    for s in summaries:
        for name, value in s.corruptions.items():
            by_severity = {
                c.severity: s.cells[c.label] for c in matrix.conditions if c.corruption == name and not c.is_clean
            }
            cells = [points(by_severity[v]) if v in by_severity else "" for v in severities]
            table.add_row(*([s.model] if several else []), name, *cells, points(value))
    return table
