"""`rvos-bench corrupt`: write a perturbed split, or preview corruptions."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robust_vos_bench.cli.options import (
    condition_options,
    config_option,
    corrupt_device_option,
    dataset_options,
    debugging,
    dry_run_option,
    json_option,
    output_option,
    workers_option,
)
from robust_vos_bench.errors import UsageError

EPILOG = """\b
Examples:
  rvos-bench corrupt --corruption fog --severity 3 --output perturbed
  rvos-bench corrupt --corruption fog --preview --output fog.png
  rvos-bench corrupt --corruption all --preview --dataset clip.mp4 --output all.png
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
    help="Instead: a sheet or film of the first video, or of --videos (-o FILE.png, FILE.mp4, FILE.gif, or a folder).",
)
@json_option()
@dry_run_option()
@config_option()
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but what has failed.")
def command(
    dataset: str,
    data_root: Path | None,
    masks: tuple[str, ...],
    videos: tuple[str, ...],
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
    from robust_vos_bench.analysis.words import plural
    from robust_vos_bench.api import corrupt as api
    from robust_vos_bench.api.prepare import opened

    if preview and dry_run:
        raise UsageError("--preview has no --dry-run: it draws one sheet and one film of the first video, nothing else")
    conditions, info = api.chosen(
        corruptions, preset, severities, temporal, severity_profile, clean_reference, seed, corrupt_device
    )
    data = opened(dataset, data_root, limit, videos, masks, bare=True)
    if preview:
        files = [str(path) for path in api.draw_preview(data, conditions, output, every=bool(videos))]
        click.echo(json.dumps({"video": data.videos[0], "files": files}) if as_json else "\n".join(files))
        return
    if output is None:
        raise UsageError("where to? Give --output DIR; each condition becomes a folder in it")
    if dry_run:
        planned = api.plan_split(data, conditions, output, format)
        click.echo(json.dumps(planned.to_dict(), indent=2) if as_json else "\n".join(planned.lines()))
        return
    report = api.write(data, conditions, info, output, format, workers, quiet, debugging())
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        for folder in report.folders.values():
            click.echo(folder)
        if not quiet:
            click.echo(f"{plural(report.written, 'video')} written, {report.kept} were there already", err=True)
    api.raise_for_failures(report)
