"""`rvos-bench weights`: the authors' weights, listed, fetched, verified, converted."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from robust_vos_bench.cli.options import CommaList, UserPath, flat, json_option
from robust_vos_bench.errors import WeightsError

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_FAMILY = click.option("--family", help="Only models of this family, e.g. aot.")
_NARROWEST = 100
"""Columns of the table at least."""
_EXAMPLES = """\b
Examples:
  rvos-bench weights list
  rvos-bench weights get xmem
  rvos-bench weights get XMem-s012.pth
  rvos-bench weights get all --family aot
  rvos-bench weights verify
"""


@click.group(context_settings=_SETTINGS, epilog=_EXAMPLES)
def command() -> None:
    """List, fetch and verify the weights that authors publish.

    `run` and `check` fetch what they need by themselves; these commands do it ahead. Files are kept in
    $RVOS_BENCH_WEIGHTS/<family>/, or in the cache folder where that is not set.
    """


@command.command("list", context_settings=_SETTINGS)
@click.argument("names", nargs=-1)
@_FAMILY
@json_option()
def list_(names: tuple[str, ...], family: str | None, as_json: bool) -> None:
    """Show every official file: state, licence, source. NAMES are models or files."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from robust_vos_bench.api.weights import list_weights

    rows = list_weights(names, family)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if names:
        for row in rows:
            _print_details(row)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("file", "models", "state", "licence"):
        table.add_column(name, no_wrap=name in ("file", "state"), overflow="fold")
    for row in rows:
        limits = ", non-commercial" if row["non_commercial"] else ""
        licence = re.split(r"[(:;]", row["license"])[0].strip() + limits
        table.add_row(row["file"], ", ".join(row["models"]), row["state"], licence)
    console = Console(highlight=False, markup=False)
    console = console if console.width >= _NARROWEST else Console(highlight=False, markup=False, width=_NARROWEST)
    console.print(table)
    click.echo("Sources: rvos-bench weights list MODEL, or --json.", err=True)


def _print_details(row: dict[str, Any]) -> None:
    click.echo(f"{row['file']}: {row['state']}" + (f", {row['path']}" if row["path"] else ""))
    facts = {
        "models": ", ".join(row["models"]),
        "licence": row["license"],
        "source": row["where"],
        "fetched from": " or ".join(row["addresses"]),
        "sha256 of the authors": row["sha256"],
        "md5 of the authors": row["md5"],
        "made of": row["original"] and f"{row['original']} by `rvos-bench weights convert {row['models'][0]}`",
    }
    for name, value in facts.items():
        if value:
            click.echo(f"  {name}: {value}")


@command.command(context_settings=_SETTINGS, epilog=_EXAMPLES)
@click.argument("names", nargs=-1, type=CommaList(), callback=flat)
@_FAMILY
@click.option("--every", is_flag=True, help="All files of a model, not only the usual one.")
@json_option()
@click.option("-q", "--quiet", is_flag=True, help="No bar on stderr.")
def get(names: tuple[str, ...], family: str | None, every: bool, as_json: bool, quiet: bool) -> None:
    """Fetch the weights of NAMES: models, files, or all.

    An interrupted download goes on with the same command. Nothing is asked. Each file is compared with the digest of
    its authors or of the first download, and with the network. Exit code 4 where a file cannot be had.
    """
    from robust_vos_bench.api.weights import get_weights
    from robust_vos_bench.cli.stdout import prints_on_stderr

    failed: WeightsError | None = None
    with prints_on_stderr():
        try:
            got = get_weights(names, family=family, every=every, progress=not quiet)
        except WeightsError as error:
            failed, got = error, error.partial or []
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in got], indent=2))
    else:
        for row in got:
            note = "" if not row.fetched else ", compared" if row.known else ", recorded (the authors give none)"
            click.echo(f"{row.path}  sha256 {row.sha256[:16]}...{note}")
    if failed is not None:
        raise failed


@command.command(context_settings=_SETTINGS)
@click.argument("names", nargs=-1)
@_FAMILY
@click.option("--keys/--no-keys", default=True, help="Compare each file with its network too. [default: keys]")
@json_option()
def verify(names: tuple[str, ...], family: str | None, keys: bool, as_json: bool) -> None:
    """Check the official files that are here: digest on record, and network, key by key.

    Exit code 4 where something is wrong.
    """
    from robust_vos_bench.api.weights import verify_weights
    from robust_vos_bench.cli.stdout import prints_on_stderr

    with prints_on_stderr():
        found = verify_weights(names, family=family, keys=keys)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in found], indent=2))
    else:
        for row in found:
            click.echo(f"{'WRONG' if row.problem else 'ok   '} {row.path}  sha256 {row.sha256[:16]}...")
            for line in (*row.problem.splitlines(), *row.notes):
                click.echo(f"      {line}")
        click.echo(f"{len(found)} files, {sum(bool(row.problem) for row in found)} wrong", err=True)
    if any(row.problem for row in found):
        sys.exit(WeightsError.exit_code)


@command.command(context_settings=_SETTINGS)
@json_option()
def where(as_json: bool) -> None:
    """Show the folders in which weights are looked for, and what is there."""
    from robust_vos_bench.api.weights import weights_where

    found: dict[str, Any] = weights_where()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for folder in found["folders"]:
        click.echo(folder)
    click.echo(f"{found['packaged']} (part of the package)")
    for path in found["here"].values():
        click.echo(f"  {path}")


@command.command(context_settings=_SETTINGS)
@click.argument("name")
@click.option("-o", "--output", type=UserPath(dir_okay=False), help="File to write. [default: FILE.safetensors beside]")
@click.option(
    "--unconfined", is_flag=True, help="Also where this system cannot cut the reading process off from the network."
)
@json_option()
def convert(name: str, output: Path | None, unconfined: bool, as_json: bool) -> None:
    """Make safetensors of a checkpoint that holds objects beside its tensors, or of one of TensorFlow.

    NAME is a model whose published file has to be converted, or a file of your own. The file is read in a process of
    its own, without network, in which no class or function that the file names is called. `run` never does this.
    Of TensorFlow give the index or the archive; it holds numbers alone, and TensorFlow is not needed.
    """
    from robust_vos_bench.api.convert import convert_weights

    made = convert_weights(name, output=output, unconfined=unconfined)
    if as_json:
        click.echo(json.dumps(made.to_dict(), indent=2))
    else:
        click.echo(made.output)
