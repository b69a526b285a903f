"""`rvos-bench data`: get, verify and find data sets."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robust_vos_bench.cli.options import dataset_options, dry_run_option, json_option, workers_option
from robust_vos_bench.errors import DataError, UsageError, unknown

if TYPE_CHECKING:
    from rich.progress import Progress

    from robust_vos_bench.datasets.sources import Archive
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
    dataset: str, data_root: Path | None, limit: int | None, workers: int | None, complete: bool, as_json: bool
) -> None:
    """Decode every file of a data set and check counts, sizes, numbering and object ids.

    Exit code 0: nothing is wrong (warnings may be); 4: something is, and every line names the file.
    """
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.datasets.layout import FolderDataset
    from robust_vos_bench.datasets.verify import VideoReport
    from robust_vos_bench.datasets.verify import verify as check

    data = open_dataset(dataset, data_root, limit=limit)
    if not isinstance(data, FolderDataset):
        raise UsageError(f"data set {dataset!r} is made on the spot; there are no files to verify")
    names = data.videos
    with _bar() as bar:
        task = bar.add_task(f"verify {data.name}", total=len(names))

        def tell(report: VideoReport) -> None:
            bar.update(task, advance=1)

        found = check(data, workers or os.cpu_count() or 1, tell, complete=limit is None)
    if complete:
        found.problems += found.warnings
        found.warnings = []
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _print(found)
    if not found.ok:
        sys.exit(DataError.exit_code)


def _print(found: Verification) -> None:
    click.echo(
        f"{found.dataset} in {found.root}: {found.videos} videos, {found.frames} frames, {found.masks} masks, "
        f"{found.objects} objects"
    )
    for kind, entries in (("problem", found.problems), ("warning", found.warnings)):
        for entry in entries[:_SHOWN]:
            click.echo(f"{kind}: {entry.file}: {entry.what}")
        if len(entries) > _SHOWN:
            click.echo(f"... and {len(entries) - _SHOWN} more {kind}s (all of them with --json)")
    counts = f"{len(found.problems)} problems, {len(found.warnings)} warnings"
    click.echo("OK" if found.ok and not found.warnings else f"OK, {counts}" if found.ok else counts)


@command.command(context_settings=_SETTINGS)
@click.argument("name")
@click.option("--data-root", type=click.Path(path_type=Path), envvar="RVOS_BENCH_DATA_ROOT", help="Where to put it.")
@click.option("--keep-archive", is_flag=True, help="Do not delete the zip after unpacking.")
@json_option()
@dry_run_option()
def get(name: str, data_root: Path | None, keep_archive: bool, as_json: bool, dry_run: bool) -> None:
    """Download and unpack NAME (davis2016, davis2017, davis2017:test-dev, davis2017@Full-Resolution ...).

    An interrupted download or unpacking goes on with the same command. For data sets without a public link it
    prints what to do, and ends with exit code 4.
    """
    from robust_vos_bench.datasets.registry import data_root as find_root
    from robust_vos_bench.datasets.sources import ARCHIVES, instructed_names, instructions

    root = find_root(data_root)
    key = _archive_key(name)
    if key not in ARCHIVES:
        text = instructions(name.partition(":")[0], str(root))
        if text is None:
            if name.partition(":")[0] == "demo":
                raise UsageError("data set 'demo' is made on the spot; there is nothing to get")
            raise unknown("data set to get", name, [*ARCHIVES, *instructed_names()])
        click.echo(json.dumps({"name": name, "instructions": text}) if as_json else text)
        sys.exit(DataError.exit_code)
    archive = ARCHIVES[key]
    target = root / archive.folder
    if dry_run:
        facts = {"name": key, "url": archive.url, "folder": str(target)}
        click.echo(json.dumps(facts, indent=2) if as_json else f"{archive.url} -> {target}")
        return
    digest, known = _fetch(archive, root, target, keep_archive)
    note = "as recorded" if known else "first download: recorded, not checked (the authors publish none)"
    click.echo(f"sha256 {digest} ({note})", err=True)
    if as_json:
        click.echo(json.dumps({"name": key, "folder": str(target), "sha256": digest, "known": known}, indent=2))
    else:
        click.echo(f"{key} is in {target}")
        click.echo(f"check it: rvos-bench data verify --dataset {name.partition('@')[0]} --data-root {root}", err=True)


def _fetch(archive: Archive, root: Path, target: Path, keep_archive: bool) -> tuple[str, bool]:
    from robust_vos_bench.datasets.download import check_hash, download
    from robust_vos_bench.datasets.unpack import unpack

    path = root / archive.file
    with _bar(sizes=True) as bar:
        task = bar.add_task(archive.file, total=None)
        download(archive.url, path, lambda done, total: bar.update(task, completed=done, total=total or None))
    digest, known = check_hash(archive.url, path, root)
    with _bar() as bar:
        task = bar.add_task(f"unpack to {target}", total=None)
        unpack(path, target, lambda done, total: bar.update(task, completed=done, total=total))
    if not keep_archive:
        path.unlink()
    return digest, known


def _archive_key(name: str) -> str:
    """The archive that holds a split: "davis2017:val" is in "davis2017"."""
    text, _, size = name.partition("@")
    family, _, split = text.partition(":")
    part = f"{family}:{split}" if split.startswith("test") else family
    full = size.lower() in ("full", "full-resolution", "1080p") and family == "davis2017"
    return part + ("@Full-Resolution" if full else "")


@command.command(context_settings=_SETTINGS)
@click.option("--data-root", type=click.Path(path_type=Path), envvar="RVOS_BENCH_DATA_ROOT", help="Where to look.")
@json_option()
def where(data_root: Path | None, as_json: bool) -> None:
    """Show where data sets are looked for, and which are there."""
    from robust_vos_bench.datasets import ENTRIES, open_dataset
    from robust_vos_bench.datasets.registry import data_root as find_root
    from robust_vos_bench.errors import RvosError

    root = find_root(data_root)
    rows = []
    for entry in ENTRIES:
        for split in entry.splits:
            spec = f"{entry.family}:{split}" if split else entry.family
            try:
                data = open_dataset(spec, root)
                rows.append(
                    {"dataset": spec, "videos": len(data.videos), "folder": str(data.root or "made on the spot")}
                )
            except RvosError:
                rows.append({"dataset": spec, "videos": 0, "folder": ""})
    if as_json:
        click.echo(json.dumps({"data_root": str(root), "datasets": rows}, indent=2))
        return
    click.echo(f"data root: {root}" + ("" if root.is_dir() else " (does not exist)"))
    for row in rows:
        what = f"{row['videos']:5d} videos  {row['folder']}" if row["videos"] else "      not here"
        click.echo(f"  {row['dataset']:30s} {what}")


def _bar(sizes: bool = False) -> Progress:
    """A bar on a terminal's stderr, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    count = DownloadColumn() if sizes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), count, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
