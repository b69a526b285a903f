"""`rvos-bench compare`: is A better than B, by how much, how sure, and where."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import click

from robust_vos_bench.cli.options import json_option
from robust_vos_bench.errors import UsageError

SHOWN = 5
"""Corruptions and videos listed at either end."""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench compare rvos-results/my-run            a run of two models\n"
    "  rvos-bench compare runs/one:aot.r50_l runs/two:aoc\n  rvos-bench compare a.json.gz b.json.gz --json",
)
@click.argument("sources", nargs=-1, required=True, metavar="A [B]")
@click.option("--draws", type=click.IntRange(min=100), default=10_000, show_default=True, help="Bootstrap draws.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws.")
@json_option()
def command(sources: tuple[str, ...], draws: int, seed: int, as_json: bool) -> None:
    """Paired difference of two models, A minus B, with a 95 % interval over videos.

    A and B are run directories, packed results, or PATH:MODEL where a run holds several models.
    """
    from robust_vos_bench.analysis.compare import compare, pick_two

    if len(sources) > 2:
        raise UsageError(f"compare takes one run of two models or two sources, not {len(sources)}")
    found = compare(*pick_two(sources), draws=draws, seed=seed)
    if as_json:
        click.echo(json.dumps(_plain(dataclasses.asdict(found)), indent=2))
        return
    _show(found)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _show(found: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from robust_vos_bench.analysis.bootstrap import caution, smallest_p
    from robust_vos_bench.reports.text import WIDTH, plural, points

    console = Console(highlight=False, width=WIDTH, markup=False)
    counts = f"{plural(found.videos, 'video')}, {plural(found.objects, 'object')}"
    console.print(f"A = {found.a}, B = {found.b} · {counts} · J&F in points")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("A", "B", "A - B", "95 % interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in (*found.headline, *found.families):
        low, high = row.interval.low, row.interval.high
        span = "n/a" if math.isnan(low) else f"{low:+.1f} to {high:+.1f}"
        sure = "n/a" if math.isnan(row.p) else f"{row.p:.3f}" if row.p >= 0.001 else "<0.001"
        value = "n/a" if math.isnan(row.interval.value) else f"{row.interval.value:+.1f}"
        table.add_row(row.name, points(row.a), points(row.b), value, span, sure)
    console.print(table)
    for title, rows in (("corruptions", found.corruptions), ("videos (mPC)", found.by_video)):
        known = [row for row in rows if not math.isnan(row[1])]
        if known:
            worst, best = known[:SHOWN], known[-SHOWN:][::-1]
            console.print(f"{title}, worst for A: " + ", ".join(f"{n} {v:+.1f}" for n, v in worst), soft_wrap=False)
            if len(known) > SHOWN:
                console.print(f"{title}, best for A: " + ", ".join(f"{n} {v:+.1f}" for n, v in best))
    console.print("Videos are resampled; p is two-sided, Holm-corrected over families.")
    if found.note:
        console.print(found.note)
    if caution(found.videos):
        console.print(f"{caution(found.videos)} No p can be below {smallest_p(found.videos):.2g}.")
