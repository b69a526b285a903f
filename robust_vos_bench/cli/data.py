"""`rvos-bench data`: get, verify and find data sets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robust_vos_bench.analysis.words import plural
from robust_vos_bench.cli.options import UserPath, dataset_options, dry_run_option, json_option, workers_option
from robust_vos_bench.errors import DataError

if TYPE_CHECKING:
    from robust_vos_bench.datasets.verify import Verification

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_SHOWN = 50
"""Problems printed one by one; the rest is counted (--json has all)."""


@click.group(context_settings=_SETTINGS)
def command() -> None:
    """Get, verify and find data sets."""


@command.command(context_settings=_SETTINGS)
@dataset_options
@workers_option()
@click.option("--complete", is_flag=True, help="A list shorter than the official one is an error, not a warning.")
@json_option()
def verify(
    dataset: str,
    data_root: Path | None,
    masks: tuple[str, ...],
    videos: tuple[str, ...],
    limit: int | None,
    workers: int | None,
    complete: bool,
    as_json: bool,
) -> None:
    """Decode every file of a data set and check counts, sizes, numbering and object ids.

    Exit code 0: nothing is wrong (warnings may be); 4: something is, and every line names the file.
    """
    from robust_vos_bench.api.data import verify_dataset

    found = verify_dataset(dataset, data_root, limit, workers, complete, mask=masks, videos=videos)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _print(found)
    if not found.ok:
        sys.exit(DataError.exit_code)


def _print(found: Verification) -> None:
    click.echo(
        f"{found.dataset} in {found.root}: {plural(found.videos, 'video')}, {plural(found.frames, 'frame')}, "
        f"{plural(found.masks, 'mask')}, {plural(found.objects, 'object')}"
    )
    for kind, entries in (("problem", found.problems), ("warning", found.warnings)):
        for entry in entries[:_SHOWN]:
            click.echo(f"{kind}: {entry.file}: {entry.what}")
        if len(entries) > _SHOWN:
            click.echo(f"... and {len(entries) - _SHOWN} more {kind}s (all of them with --json)")
    counts = f"{plural(len(found.problems), 'problem')}, {plural(len(found.warnings), 'warning')}"
    click.echo("OK" if found.ok and not found.warnings else f"OK, {counts}" if found.ok else counts)


@command.command(context_settings=_SETTINGS)
@click.argument("name")
@click.option("--data-root", type=UserPath(), envvar="RVOS_BENCH_DATA_ROOT", help="Where to put it.")
@click.option("--keep-archive", is_flag=True, help="Do not delete the archive after unpacking.")
@click.option("--no-verify", is_flag=True, help="Do not decode every file in the end.")
@click.option("--offline", is_flag=True, help="Do not touch the network: use an archive that is there already.")
@json_option()
@dry_run_option()
def get(
    name: str, data_root: Path | None, keep_archive: bool, no_verify: bool, offline: bool, as_json: bool, dry_run: bool
) -> None:
    """Fetch, unpack and verify NAME (davis2017, youtubevos2019:valid, mose:valid, lvosv2:valid, vost ...).

    The official address is tried first, then mirrors. An interrupted download or unpacking goes on with the same
    command. For data sets whose links all need a form it prints what to do, and ends with exit code 4, as it does
    where a file turns out to be damaged.
    """
    from robust_vos_bench.api.data import fetch, find_source
    from robust_vos_bench.fetch import offline as without_network

    source = find_source(name, data_root)
    if source.archive is None:
        text = source.instructions
        click.echo(json.dumps({"name": name, "instructions": text}) if as_json else text)
        sys.exit(DataError.exit_code)
    links = [link.address for link in source.archive.remote.links]
    if dry_run:
        facts = {
            "name": source.name,
            "url": links[0],
            "mirrors": links[1:],
            "folder": str(source.folder),
            "licence": source.archive.licence,
            "page": source.archive.page,
        }
        text = f"{' or '.join(links)} -> {source.folder} ({source.archive.terms})"
        click.echo(json.dumps(facts, indent=2) if as_json else text)
        return
    if offline:
        with without_network():
            got = fetch(source, keep_archive, check=not no_verify)
    else:
        got = fetch(source, keep_archive, check=not no_verify)
    note = "as known before" if got.known else "first download: recorded, not checked (the authors publish none)"
    click.echo(f"sha256 {got.sha256} ({note})" + (f", from {got.source}" if got.source else ""), err=True)
    if as_json:
        click.echo(json.dumps(got.to_dict(), indent=2))
    else:
        click.echo(f"{got.name} is in {got.folder} ({source.archive.terms})")
        if got.verified is None:
            click.echo(f"check it: rvos-bench data verify --dataset {source.split} --data-root {source.root}", err=True)
        else:
            _print(got.verified)
    if got.verified is not None and not got.verified.ok:
        sys.exit(DataError.exit_code)


@command.command(context_settings=_SETTINGS)
@click.option("--data-root", type=UserPath(), envvar="RVOS_BENCH_DATA_ROOT", help="Where to look.")
@json_option()
def where(data_root: Path | None, as_json: bool) -> None:
    """Show where data sets are looked for, and which are there."""
    from robust_vos_bench.api.data import where as find

    root, rows = find(data_root)
    if as_json:
        click.echo(json.dumps({"data_root": str(root), "datasets": rows}, indent=2))
        return
    click.echo(f"data root: {root}" + ("" if root.is_dir() else " (does not exist)"))
    for row in rows:
        what = f"{row['videos']:5d} videos  {row['folder']}" if row["videos"] else "      not here"
        click.echo(f"  {row['dataset']:30s} {what}")
