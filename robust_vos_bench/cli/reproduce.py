"""`rvos-bench reproduce`: a model as its authors ran it, beside the score that they published."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robust_vos_bench.cli.options import (
    UserPath,
    device_option,
    json_option,
    offline_option,
    output_option,
    workers_option,
)
from robust_vos_bench.errors import IncompleteError, UsageError

EPILOG = """\b
Examples:
  rvos-bench reproduce --list
  rvos-bench reproduce xmem
  rvos-bench reproduce XMem-s012 --dataset davis2016:val --data-root ~/DAVIS --device cuda
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, help="Show every published score that can be repeated, and its cost.")
@click.option("-d", "--dataset", help="Where the score was published for several. [default: davis2017:val]")
@click.option("--data-root", type=UserPath(), envvar="RVOS_BENCH_DATA_ROOT", help="Folder of data sets.")
@click.option(
    "--scores", type=UserPath(dir_okay=False), help="TOML file of published scores of your own, in the package's form."
)
@workers_option()
@device_option()
@output_option("Run directory. [default: rvos-results/<name of the run>]")
@offline_option()
@json_option()
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    listed: bool,
    dataset: str | None,
    data_root: Path | None,
    scores: Path | None,
    workers: int | None,
    device: str,
    output: Path | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run NAME on clean data as its authors did, and print our score beside theirs.

    NAME is a model here (xmem) or as its source calls it (XMem-s012). Weights and data that are not here are fetched.
    Exit code 0 where the two differ by at most 0.2 points, 3 where they differ by more.
    """
    from robust_vos_bench.api.reproduce import list_reproductions, reproduce, shown
    from robust_vos_bench.cli.stdout import prints_on_stderr

    if listed:
        rows = list_reproductions(data_root, scores)
        click.echo(json.dumps(rows, indent=2) if as_json else "\n".join(shown(rows)))
        return
    if name is None:
        raise UsageError("say which model, or --list")
    with prints_on_stderr():
        found = reproduce(
            name,
            dataset=dataset,
            data_root=data_root,
            device=device,
            workers=workers,
            output=output,
            offline=offline,
            scores=scores,
            progress=not quiet,
        )
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        click.echo(
            f"{found.model} ({found.run}, {found.checkpoint or 'no weights'}) on {found.dataset}, {found.metric}"
        )
        click.echo(f"published  {found.published:6.1f}   {found.source}")
        click.echo(f"ours       {found.ours:6.2f}   {found.folder}")
        click.echo(f"difference {found.difference:+6.2f}   {found.verdict}")
    if not found.within:
        ctx.exit(IncompleteError.exit_code)
