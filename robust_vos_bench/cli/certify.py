"""`rvos-bench certify`: lower bounds that no change of the frames within a radius undoes."""

from __future__ import annotations

import json
from typing import Any

import click

from robust_vos_bench.cli.options import (
    CommaList,
    checkpoint_option,
    config_option,
    dataset_options,
    debugging,
    device_option,
    dry_run_option,
    flat,
    json_option,
    model_option,
    offline_option,
    output_option,
    workers_option,
)

EPILOG = """\b
Examples:
  rvos-bench certify                                   demo data, noise 0.25 on the prompted frame
  rvos-bench certify --model aot.lite,cfbi.lite --sigma 0.1,0.25 --frames prompt,all
  rvos-bench certify --model aot.lite --preset certified --dataset davis2016:val --data-root ~/DAVIS
  rvos-bench certify --model my_model.py:MyModel --draws 500 --radius 0.5,1 --dry-run

What is certified is the model that draws noise once a track, not the model itself, and changes far
smaller than attacks make: docs/certified.md. The same command again resumes, draw by draw; a larger
--draws adds to what is there. Choose --draws before you look at the result.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@model_option(default=("labelprop",), show_default=True)
@checkpoint_option()
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="[MODEL:]NAME=VALUE",
    help="Option of a model, e.g. size=480; with several models, MODEL:size=480.",
)
@dataset_options
@click.option(
    "--sigma",
    multiple=True,
    type=CommaList(float),
    callback=flat,
    help="Standard deviations of the noise, of white; multiples of 0.05. [default: 0.25]",
)
@click.option(
    "--frames",
    "scopes",
    multiple=True,
    type=CommaList(),
    callback=flat,
    help="Frames with noise, whose changes are covered: prompt (with a given mask), all. [default: prompt]",
)
@click.option("-p", "--preset", help="Preset of noises instead of --sigma and --frames: certified.")
@click.option("--draws", type=click.IntRange(min=1), help="Draws of a whole track. [default: 110; with a preset 1000]")
@click.option("--alpha", type=float, default=0.001, show_default=True, help="Probability of a wrong number, per row.")
@click.option(
    "--radius",
    multiple=True,
    type=CommaList(float),
    callback=flat,
    help="L2 norms of a change, as multiples of sigma. [default: 0.25,0.5,1]",
)
@click.option("--tau", type=float, default=0.75, show_default=True, help="Probability that a pixel's label must have.")
@click.option("--pixels/--no-pixels", default=True, show_default=True, help="Also certify single pixels.")
@workers_option()
@device_option()
@output_option("Run directory. [default: rvos-results/<name of the run>]")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failed draw.")
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
    sigma: tuple[float, ...],
    scopes: tuple[str, ...],
    preset: str | None,
    draws: int | None,
    alpha: float,
    radius: tuple[float, ...],
    tau: float,
    pixels: bool,
    as_json: bool,
    dry_run: bool,
    may_probe: bool,
    quiet: bool,
    **settings_given: Any,
) -> None:
    """Certify by randomised smoothing: run a model under many draws of noise, and bound its median J&F from below.

    The bound holds for every change of the frames with noise whose L2 norm is at most R.
    """
    from robust_vos_bench.api.certify import certify_settings, execute, plan_of
    from robust_vos_bench.api.progress import ProgressListener
    from robust_vos_bench.api.run import exit_code
    from robust_vos_bench.api.settings import RunSettings
    from robust_vos_bench.cli.stdout import prints_on_stderr

    settings = certify_settings(RunSettings(**settings_given), sigma, scopes, preset, draws, alpha, radius, tau, pixels)
    with prints_on_stderr():
        if dry_run:
            planned = plan_of(settings, may_probe, None if quiet else lambda text: click.echo(text, err=True))
        else:
            done = execute(settings, ProgressListener(quiet, debugging()))
    if dry_run:
        data = planned.to_dict()
        data["conditions"] = [f"{settings.claims.draws} draws of {noise}" for noise in settings.noises]
        click.echo(json.dumps(data, indent=2) if as_json else "\n".join(_without_labels(str(planned), data)))
        return
    show(done, as_json, quiet)
    ctx.exit(exit_code(done.run))


def _without_labels(text: str, data: dict[str, Any]) -> list[str]:
    """The plan's lines with the noises in place of hundreds of conditions."""
    noises = ", ".join(data["conditions"])
    return [f"{'conditions':18} clean, {noises}" if ln.startswith("conditions") else ln for ln in text.splitlines()]


def show(done: Any, as_json: bool, quiet: bool) -> None:
    """The table or the data on stdout; where the rest is, on stderr."""
    from rich.console import Console

    from robust_vos_bench.api.progress import shown
    from robust_vos_bench.certified.table import print_certificates
    from robust_vos_bench.system.json import to_json

    if as_json:
        click.echo(to_json(done.to_dict()))
    else:
        manifest = done.run.manifest
        print_certificates(
            Console(highlight=False, width=100, markup=False), done.rows, done.claims, manifest.dataset.name
        )
    counts = done.run.manifest.units
    if not quiet or counts.ok < counts.planned:
        click.echo(
            f"{counts.ok}/{counts.planned} units done, {counts.failed} failed. Results: {shown(done.run.folder)}",
            err=True,
        )
