"""`rvos-bench compare`: is A better than B, by how much, how certain, and where."""

from __future__ import annotations

import click

from robust_vos_bench.cli.options import json_option, table_option


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench compare rvos-results/my-run            a run of two models\n"
    "  rvos-bench compare runs/one:aot.r50_l runs/two:aoc\n  rvos-bench compare a.json.gz b.json.gz --json",
)
@click.argument("sources", nargs=-1, required=True, metavar="A [B]")
@table_option()
@json_option()
def command(sources: tuple[str, ...], table: str, as_json: bool) -> None:
    """Paired difference of two models, A minus B, with a 95 % interval over videos.

    A and B are run directories, packed results, or PATH:MODEL where a run holds several models.
    """
    from rich.console import Console

    from robust_vos_bench.analysis.compare import compare
    from robust_vos_bench.reports.text import WIDTH, print_comparison

    found = compare(*sources)
    if as_json:
        click.echo(found.to_json())
    elif table != "text":
        from robust_vos_bench.reports.export import EXPORTS, comparison_grid

        click.echo(EXPORTS[table](comparison_grid(found)))
    else:
        print_comparison(Console(highlight=False, width=WIDTH, markup=False), found)
