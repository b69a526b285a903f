"""`rvos-bench corrupt`: write a perturbed split, or preview corruptions."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robust_vos_bench.cli.options import (
    condition_options,
    config_option,
    corrupt_device_option,
    dataset_options,
    dry_run_option,
    json_option,
    output_option,
    workers_option,
)
from robust_vos_bench.errors import DataError, IncompleteError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from robust_vos_bench.conditions import Condition
    from robust_vos_bench.corrupted.split import SplitReport
    from robust_vos_bench.datasets import Dataset

_PLAIN_SECONDS = 10.0
"""Off a terminal, at most one progress line in this many seconds."""

EPILOG = """\b
Examples:
  rvos-bench corrupt --corruption fog --severity 3 --output perturbed
  rvos-bench corrupt --corruption fog --preview --output fog.png
  rvos-bench corrupt --preset common --dataset davis2017:val --data-root ~/DAVIS --output ~/DAVIS-C
  rvos-bench score --dataset davis2017:val --data-root ~/DAVIS-C/fog-3-drift --predictions masks/

Each condition becomes a folder (fog-3-drift) in the layout of the input, with rvos-bench.json (hash of every file). The
same command again goes on where it stopped. --format jpg is JPEG 4:4:4 at quality 100, for tools that insist on .jpg:
a small loss, so scores differ slightly from those of `run`.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@dataset_options
@condition_options
@corrupt_device_option()
@workers_option()
@output_option("Folder to write to; each condition becomes a folder in it. [--preview: preview]", envvar=None)
@click.option("--format", "format", type=click.Choice(["png", "jpg"]), default="png", show_default=True)
@click.option(
    "--preview",
    is_flag=True,
    help="Instead: a sheet and a film of the first video (--output FILE.png, FILE.mp4 or a folder).",
)
@json_option()
@dry_run_option()
@config_option()
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    dataset: str,
    data_root: Path | None,
    limit: int | None,
    corruptions: tuple[str, ...],
    preset: str | None,
    severities: tuple[int, ...],
    temporal: str | None,
    severity_profile: str | None,
    clean_reference: bool | None,
    seed: int,
    corrupt_device: str,
    workers: int | None,
    output: Path | None,
    format: str,
    preview: bool,
    as_json: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Write a corrupted copy of a data set in the layout of its input; frames are lossless PNG."""
    from robust_vos_bench.conditions import select
    from robust_vos_bench.corrupted.split import SplitReport, units, write_splits
    from robust_vos_bench.datasets import open_dataset

    if not corruptions and preset is None:
        raise UsageError("say what to do to the frames: --corruption NAME or --preset NAME (`rvos-bench list presets`)")
    if preview and dry_run:
        raise UsageError("--preview has no --dry-run: it draws one sheet and one film of the first video, nothing else")
    conditions, info = select(
        corruptions, severities, preset, temporal, severity_profile, seed, clean_reference, corrupt_device
    )
    data = open_dataset(dataset, data_root, limit=limit)
    if preview:
        _preview(data, conditions, output, as_json)
        return
    if output is None:
        raise UsageError("where to? Give --output DIR; each condition becomes a folder in it")
    if dry_run:
        _plan(data, conditions, output, format, as_json)
        return
    report = SplitReport(folders={condition.label: str(output / condition.label) for condition in conditions})
    progress = _Progress(len(units(data, conditions)), quiet)
    with progress:
        for outcome in write_splits(data, conditions, output, format, workers or os.cpu_count() or 1, info):
            if outcome.error is not None:
                report.failed.append(outcome)
                progress.say(f"! {outcome.unit.condition.label} · {outcome.unit.video}: {outcome.error}")
            elif outcome.kept:
                report.kept += 1
            else:
                report.written += 1
            progress.step(f"{outcome.unit.condition.label} · {outcome.unit.video}")
    _finish(report, as_json)


def _finish(report: SplitReport, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        for folder in report.folders.values():
            click.echo(folder)
        click.echo(f"{report.written} videos written, {report.kept} were there already", err=True)
    if report.failed:
        kinds = Counter(type(outcome.error) for outcome in report.failed)
        text = f"{len(report.failed)} videos could not be written (see above); the same command tries them again"
        if not report.written and not report.kept and len(kinds) == 1:
            if issubclass(next(iter(kinds)), MissingExtraError):
                raise MissingExtraError(str(report.failed[0].error))
            if issubclass(next(iter(kinds)), DataError):
                raise DataError(text)
        raise IncompleteError(text)


def _plan(data: Dataset, conditions: list[Condition], output: Path, format: str, as_json: bool) -> None:
    from robust_vos_bench.corrupted.split import check_folder, space
    from robust_vos_bench.corrupted.write import FORMATS, finished

    needed, free = space(data, conditions, output)
    rows = []
    for condition in conditions:
        check_folder(data, condition, output / condition.label, format)  # a folder that the command would refuse
        there = sum(
            finished(data, name, condition, output / condition.label, FORMATS[format]) is not None
            for name in data.videos
        )
        rows.append({"condition": condition.label, "videos": len(data.videos), "there": there})
    if as_json:
        plan = {"output": str(output), "conditions": rows, "bytes_at_most_about": needed, "bytes_free": free}
        click.echo(json.dumps(plan, indent=2))
        return
    for row in rows:
        click.echo(f"{output / str(row['condition'])}: {row['videos']} videos, {row['there']} there already")
    click.echo(f"uncompressed {needed / 2**30:.2f} GiB (PNG takes less), {free / 2**30:.2f} GiB free")


def _preview(data: Dataset, conditions: list[Condition], output: Path | None, as_json: bool) -> None:
    """A sheet (.png), a film (.mp4) or, for a folder, both, of the first video."""
    from robust_vos_bench.corrupted import preview
    from robust_vos_bench.system.atomic import write_error

    video = data.video(data.videos[0])
    target = output or Path("preview")
    sheet = target if target.suffix == ".png" else target / f"{video.name}-sheet.png"
    film = target if target.suffix == ".mp4" else target / f"{video.name}-film.mp4"
    written = []
    try:
        if target.suffix != ".mp4":
            written.append(preview.save_contact_sheet(sheet, preview.contact_sheet(video, conditions)))
        if target.suffix != ".png":
            written.append(preview.save_clip(film, preview.clip_frames(video, conditions), video.fps))
    except OSError as error:
        raise write_error(target, error) from error
    if as_json:
        click.echo(json.dumps({"video": video.name, "files": [str(path) for path in written]}))
    else:
        for path in written:
            click.echo(path)


class _Progress:
    """A bar on a terminal's stderr, a plain line now and then elsewhere."""

    def __init__(self, total: int, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(file=sys.stderr, highlight=False)
        self.quiet, self.total, self.done = quiet, total, 0
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
        hidden = quiet or not self.console.is_terminal
        self.bar = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True, disable=hidden)
        self.task = self.bar.add_task("starting", total=total)
        self.plain = hidden and not quiet
        self.last = time.monotonic()

    def __enter__(self) -> None:
        self.bar.start()

    def __exit__(self, *failure: object) -> None:
        self.bar.stop()

    def step(self, what: str) -> None:
        """One unit more."""
        self.done += 1
        self.bar.update(self.task, advance=1, description=what[:40])
        if self.plain and time.monotonic() - self.last > _PLAIN_SECONDS:
            self.last = time.monotonic()
            self.say(f"{self.done}/{self.total} videos, now {what}")

    def say(self, text: str) -> None:
        """A line on stderr."""
        self.console.print(text, markup=False, soft_wrap=True)
