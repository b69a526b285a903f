"""`rvos-bench run`: corrupt, segment, score, and print a robustness table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from robust_vos_bench.cli.options import (
    attacked_option,
    checkpoint_option,
    condition_options,
    config_option,
    corrupt_device_option,
    dataset_options,
    debugging,
    device_option,
    dry_run_option,
    engine_options,
    json_option,
    model_option,
    offline_option,
    output_option,
    table_option,
    workers_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from robust_vos_bench.analysis.run import Run

DEFAULT_MODEL = "labelprop"

EPILOG = """\b
Examples:
  rvos-bench run
  rvos-bench run --corruption blur
  rvos-bench run --model flow,labelprop --corruption fog,motion_blur --severity 1,3,5
  rvos-bench run --model aot --checkpoint R50_AOTL_PRE_YTB_DAV.pth --preset common \\
      --dataset davis2017:val --data-root ~/DAVIS --device cuda:0
  rvos-bench run --model my_model.py:MyModel --option size=480 --dry-run
  rvos-bench run --model cfbi.lite,labelprop --attacked attacked
  rvos-bench run --dataset clip.mp4 --mask first.png --corruption fog,h264_crf

The same command again resumes: finished videos are not run twice.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@model_option(default=(DEFAULT_MODEL,), show_default=True)
@checkpoint_option()
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="[MODEL:]NAME=VALUE",
    help="Option of a model, e.g. size=480; with several models, MODEL:size=480.",
)
@dataset_options
@condition_options
@attacked_option()
@corrupt_device_option()
@workers_option()
@device_option()
@output_option("Run directory. [default: rvos-results/<name of the run>]")
@click.option(
    "--overwrite",
    type=click.Choice(["missing", "always", "never"]),
    default="missing",
    show_default=True,
    help="missing: run what is not done or failed; always: run everything again; never: only report.",
)
@click.option(
    "--save-masks/--no-save-masks",
    default=None,
    help="Keep every predicted mask as a palette PNG. [default: where a video has no truth to score against]",
)
@click.option(
    "--overlay/--no-overlay",
    default=None,
    help="Write films of the masks on the frames. [default: where a video has no truth, up to 100 films]",
)
@click.option(
    "--producers",
    type=click.IntRange(min=0),
    help="Processes per device (Ray: per task) that make frames ahead. [default: CPU 0, GPU a share of the cores]",
)
@engine_options
@click.option(
    "--ray-wait",
    type=click.FloatRange(min=0),
    help="Seconds to wait for a lost head, or last node, of a Ray cluster. [default: 300]",
)
@click.option("--profile", is_flag=True, help="Write trace.json (Perfetto) and say where the time went.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failed video.")
@table_option()
@offline_option()
@json_option()
@dry_run_option()
@click.option(
    "--probe/--no-probe",
    "may_probe",
    default=True,
    help="With --dry-run: measure this machine for up to 20 s where no earlier run tells. [default: probe]",
)
@config_option()
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but what has failed.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    table: str,
    as_json: bool,
    dry_run: bool,
    may_probe: bool,
    quiet: bool,
    **settings_given: Any,
) -> None:
    """Corrupt videos, run models on them, score the masks, print how much each model loses.

    Without --corruption and --preset: the preset smoke on the demo data, common on any other.
    """
    from robust_vos_bench.api.progress import ProgressListener
    from robust_vos_bench.api.run import execute, exit_code, plan_of
    from robust_vos_bench.api.settings import RunSettings
    from robust_vos_bench.cli.stdout import prints_on_stderr

    settings = RunSettings(**settings_given)
    with prints_on_stderr():  # models, and files of models where they are imported, may print
        if dry_run:
            planned = plan_of(settings, may_probe, None if quiet else lambda text: click.echo(text, err=True))
        else:
            done = execute(settings, ProgressListener(quiet, debugging()))
    if dry_run:
        click.echo(json.dumps(planned.to_dict(), indent=2) if as_json else planned)
        return
    if settings.profile:
        show_profile(done.folder)
    show_result(done, "json" if as_json else table, quiet, settings.attacked)
    ctx.exit(exit_code(done))


def show_profile(folder: Path) -> None:
    """Three lines on where the time went, and the trace."""
    from robust_vos_bench.runs.trace import merge

    shares = merge(folder)
    if shares is not None:
        for line in [*shares.lines(), f"trace: {folder / 'trace.json'} (open in ui.perfetto.dev)"]:
            click.echo(line, err=True)


def show_result(done: Run, form: str, quiet: bool = False, attacked: Sequence[Path] = ()) -> None:
    """The table on stdout as text, JSON or one of `reports.export`; where the rest is, on stderr."""
    from rich.console import Console

    from robust_vos_bench.analysis.naming import preset_words
    from robust_vos_bench.api.progress import shown
    from robust_vos_bench.attacks.shown import print_board
    from robust_vos_bench.attacks.table import board_of
    from robust_vos_bench.reports.text import WIDTH, print_stability, print_summary, print_without_truth
    from robust_vos_bench.system.json import to_json

    manifest = done.manifest
    if form == "json":
        click.echo(to_json(result_data(done, attacked)))
        return
    console = Console(highlight=False, width=WIDTH, markup=False)
    preset = preset_words(manifest)
    if any(m.is_recipe for m in manifest.models):
        console.print("Untrained weights: a smoke test, not a result.", style="bold red")
    if done.matrix.objects and form != "text":
        from robust_vos_bench.reports.export import EXPORTS, summary_grid

        click.echo(EXPORTS[form](summary_grid(done.robustness)))
    elif done.matrix.objects:
        stored = any(c.is_stored for c in manifest.conditions)
        if not stored or any(not c.is_stored for c in manifest.corrupted):
            print_summary(console, done.robustness, manifest.dataset.name, preset)
        if stored:
            print_board(console, board_of(done, attacked))
        if done.matrix.unscored_videos:
            print_stability(console, done.robustness)
    elif done.matrix.unscored_videos:
        print_without_truth(console, done.robustness, manifest.dataset.name, preset)
    else:
        console.print("No video has been scored.")
    counts = manifest.units
    if not quiet or counts.ok < counts.planned:
        click.echo(
            f"{counts.ok}/{counts.planned} units done, {counts.failed} failed. Results: {shown(done.folder)}", err=True
        )
    masks = done.folder / "masks"
    if done.matrix.unscored_videos and masks.is_dir() and not quiet:
        from robust_vos_bench.analysis.words import plural

        films = len(list(masks.glob("*/*/*.mp4")))
        made = f", and {plural(films, 'film')} beside them" if films else ""
        click.echo(f"Masks: {shown(masks)}/<model>/<condition>/<video>/{made}", err=True)


def result_data(done: Run, attacked: Sequence[Path] = ()) -> dict[str, Any]:
    """The table as data; what is missing is NaN. attacked: folders of the stored splits in the run."""
    from robust_vos_bench.attacks.table import board_of

    manifest = done.manifest
    return {
        "output": str(done.folder),
        "status": manifest.status,
        "run_id": manifest.run_id,
        "dataset": manifest.dataset.name,
        "preset": msgspec.to_builtins(manifest.preset),
        "units": {k: getattr(manifest.units, k) for k in ("planned", "ok", "failed", "pending")},
        "models": [dataclasses.asdict(s) for s in done.summaries],
        "without_truth": without_truth(done),
        **({"attacks": board_of(done, attacked).to_dict()} if any(c.is_stored for c in manifest.conditions) else {}),
    }


def without_truth(done: Run) -> dict[str, Any] | None:
    """What is known of videos that cannot be scored, and why they cannot; None where there are none."""
    from robust_vos_bench.analysis.without_truth import why_no_scores

    if not done.matrix.unscored_videos:
        return None
    return {
        "videos": list(done.matrix.unscored_videos),
        "reason": why_no_scores(done.matrix),
        "masks": str(done.folder / "masks"),
        "stability": {row.model: row["stability"] for row in done.robustness},
    }
