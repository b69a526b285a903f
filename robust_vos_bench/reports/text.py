"""Tables for a terminal: at most 80 columns wide, `n/a` for what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.summary import Summary

WIDTH = 80
FAMILIES = 5
"""Families side by side."""


def points(value: float) -> str:
    """One decimal, or n/a."""
    return "n/a" if math.isnan(value) else f"{round(value, 1) + 0.0:.1f}"  # + 0.0: never "-0.0"


def plural(count: int, noun: str) -> str:
    """ "1 video", "2 videos"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def left_out(videos: int) -> str:
    """What to say of videos that nobody can be scored on; "" where there are none."""
    return f"{plural(videos, 'video')} without truth after the prompt: not scored, for any model." * bool(videos)


def print_summary(
    console: Console, matrix: ScoreMatrix, summaries: Sequence[Summary], dataset: str, preset: str = ""
) -> None:
    """The closing table of a run: headline numbers, then a table by corruption and severity."""
    console.print(f"Robustness on {dataset} · J&F in %, higher is better", markup=False, soft_wrap=True)
    facts = [plural(len(matrix.videos), "video"), plural(len(matrix.objects), "object"), preset]
    console.print(" · ".join(fact for fact in facts if fact), markup=False, soft_wrap=True)
    console.print(_headline(summaries))
    families = list(dict.fromkeys(f for s in summaries for f in s.families))
    for start in range(0, len(families) if len(families) > 1 else 0, FAMILIES):
        console.print(_by_family(summaries, families[start : start + FAMILIES]))
    corrupted = [c for c in matrix.conditions if not c.is_clean]
    if corrupted:
        for s in _ordered(summaries):
            console.print(_by_corruption(matrix, s))
    console.print(
        "P: clean. mPC: mean under corruption. rPC = mPC / P in %. drop = P - mPC.",
        markup=False,
        soft_wrap=True,
    )
    if matrix.unscored:
        count = plural(len(matrix.unscored), "object")
        console.print(f"{count} to be seen in no frame after the prompt: not scored, for any model.", markup=False)
    if matrix.unscored_videos:
        console.print(left_out(len(matrix.unscored_videos)), markup=False)
    incomplete = [s for s in summaries if s.cells_done < s.cells_planned]
    if incomplete:
        console.print("n/a: cells with missing or failed videos; never filled in, never averaged over.")


def _headline(summaries: Sequence[Summary]) -> Table:
    table = _table("P", "mPC", "rPC", "drop", "worst", "cells")
    for s in _ordered(summaries):
        numbers = (s.p, s.mpc, s.rpc, s.drop, s.worst)
        table.add_row(s.model, *(points(v) for v in numbers), f"{s.cells_done}/{s.cells_planned}")
    return table


def _by_family(summaries: Sequence[Summary], families: Sequence[str]) -> Table:
    table = _table(*families)
    for s in _ordered(summaries):
        table.add_row(s.model, *(points(s.families.get(f, math.nan)) for f in families))
    return table


def _table(*columns: str) -> Table:
    """Model names give way before numbers do: a cut name can be looked up, a cut number cannot."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=28)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True, min_width=max(5, len(name)))
    return table


def _ordered(summaries: Sequence[Summary]) -> list[Summary]:
    return sorted(summaries, key=lambda s: (math.isnan(s.mpc), 0.0 if math.isnan(s.mpc) else -s.mpc))


def _by_corruption(matrix: ScoreMatrix, summary: Summary) -> Table:
    """Rows: corruptions of one model; columns: severities and their mean."""
    severities = sorted({c.severity for c in matrix.conditions if not c.is_clean})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(summary.model, no_wrap=True, overflow="ellipsis", max_width=28)
    for name in (*(f"s{severity}" for severity in severities), "mean"):
        table.add_column(name, justify="right", no_wrap=True, min_width=5)
    for name, value in summary.corruptions.items():
        of = {c.severity: summary.cells[c.label] for c in matrix.conditions if c.corruption == name}
        table.add_row(name, *(points(of[v]) if v in of else "" for v in severities), points(value))
    return table
