"""`rvos-bench run`: corrupt, segment, score, and print a robustness table."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robust_vos_bench.cli.devices import check_devices, lane_devices, producers_for
from robust_vos_bench.cli.options import (
    checkpoint_option,
    condition_options,
    config_option,
    corrupt_device_option,
    dataset_options,
    device_option,
    dry_run_option,
    json_option,
    model_option,
    output_option,
    workers_option,
)
from robust_vos_bench.errors import UsageError

if TYPE_CHECKING:
    from robust_vos_bench.runs.plan import ModelSpec
    from robust_vos_bench.runs.records import Manifest

DEFAULT_MODEL = "labelprop"

EPILOG = """\b
Examples:
  rvos-bench run
  rvos-bench run --corruption blur
  rvos-bench run --model flow,labelprop --corruption fog,motion_blur --severity 1,3,5
  rvos-bench run --model aot --checkpoint R50_AOTL_PRE_YTB_DAV.pth --preset common \\
      --dataset davis2017:val --data-root ~/DAVIS --device cuda:0
  rvos-bench run --model my_model.py:MyModel --option size=480 --dry-run

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
@click.option("--save-masks", is_flag=True, help="Keep every predicted mask as a palette PNG.")
@click.option(
    "--producers",
    type=click.IntRange(min=0),
    help="Processes a device (with Ray: a task) that decode and corrupt ahead. [default: CPU 0, GPU a share of cores]",
)
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="ray: a Ray cluster."
)
@click.option("--ray-address", help="Address of a running Ray cluster, or auto. [default: start one here]")
@click.option(
    "--ray-gpus",
    type=click.FloatRange(min=0),
    help="GPUs a Ray task needs; 0.5 shares one. [default: by the models' cards where the cluster has GPUs]",
)
@click.option(
    "--ship-data",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Send videos to Ray nodes that lack them (auto), or also to those that have other data (always).",
)
@click.option("--profile", is_flag=True, help="Write trace.json (Perfetto) and say where the time went.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failed video.")
@json_option()
@dry_run_option()
@click.option(
    "--probe/--no-probe",
    "may_probe",
    default=True,
    help="With --dry-run: measure this machine for up to 20 s where no earlier run tells. [default: probe]",
)
@config_option()
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[str, ...],
    checkpoints: tuple[str, ...],
    options: tuple[str, ...],
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
    device: str,
    output: Path | None,
    overwrite: str,
    save_masks: bool,
    producers: int | None,
    engine: str,
    ray_address: str | None,
    ray_gpus: float | None,
    ship_data: str,
    profile: bool,
    fail_fast: bool,
    as_json: bool,
    dry_run: bool,
    may_probe: bool,
    quiet: bool,
) -> None:
    """Corrupt videos, run models on them, score the masks, print how much each model loses.

    Without --corruption and --preset: the preset smoke on the demo data, common on any other.
    """
    from robust_vos_bench.cli.plan import show_plan
    from robust_vos_bench.cli.progress import ProgressListener, prints_on_stderr
    from robust_vos_bench.conditions import select
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.runs.build import build_plan
    from robust_vos_bench.runs.cost.estimate import Workers, cores
    from robust_vos_bench.runs.local.engine import Engine, LocalEngine
    from robust_vos_bench.runs.run import default_folder, inspect, run_plan
    from robust_vos_bench.runs.store import RunStore

    with prints_on_stderr():  # files of models may print where they are imported
        specs = resolve_models(models, checkpoints, options, to_plan=dry_run)
    if not corruptions and preset is None:
        preset = "smoke" if dataset.split(":")[0] == "demo" else "common"
    chosen, info = select(
        corruptions, severities, preset, temporal, severity_profile, seed, clean_reference, corrupt_device
    )
    if limit is None and dataset == "demo":
        limit = info.videos
    data = open_dataset(dataset, data_root, limit=limit)
    plan = build_plan(specs, data, chosen, info, save_masks=save_masks, profile=profile)
    folder = output or default_folder(plan)
    devices = lane_devices(device, workers, len(plan.conditions) * len(plan.videos))
    if dry_run:
        crew = Workers(len(devices), producers_for(devices, producers, workers), devices[0], cores())
        show_plan(plan, RunStore(folder), devices, crew, overwrite, as_json, may_probe)
        return
    settings = {k: v for k, v in ctx.params.items() if isinstance(v, (str, int, float, bool, tuple, list))}
    if engine != "ray" and set(devices) != {"cpu"} and inspect(plan, RunStore(folder), overwrite).pending:
        check_devices(devices)  # on Ray the devices are the nodes'; a finished run needs none
    listener = ProgressListener(quiet)
    with contextlib.ExitStack() as stack:
        stack.enter_context(prints_on_stderr())
        carry_out: Engine = LocalEngine(devices, producers_for(devices, producers, workers))
        if engine == "ray":
            from robust_vos_bench.runs.ray.engine import RayEngine

            gpus = 0.0 if ray_gpus is None and device == "cpu" else ray_gpus
            carry_out = stack.enter_context(contextlib.closing(RayEngine(ray_address, gpus, producers, ship_data)))
        manifest = run_plan(
            plan,
            folder,
            devices,
            listener,
            overwrite,
            fail_fast,
            command=["rvos-bench", *sys.argv[1:]],
            settings={k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()},
            engine=carry_out,
        )
    if profile:
        show_profile(folder)
    show_result(folder, manifest, as_json)
    ctx.exit(exit_code(manifest, [f.error_code for f in listener.failures]))


def resolve_models(
    names: Sequence[str], checkpoints: Sequence[str], options: Sequence[str], to_plan: bool = False
) -> list[ModelSpec]:
    """One spec a name, with the checkpoint and options that are meant for it; to_plan: weights may be absent."""
    from robust_vos_bench.models import choose, parse_options
    from robust_vos_bench.runs.build import build_model

    files: dict[str, str] = {}
    for given in checkpoints:
        name, equals, file = given.partition("=")
        if equals and name in names:
            files[name] = file
        elif given == "random":
            files.update({n: "random" for n in names if n not in files})
        elif len(names) == 1:
            files[names[0]] = given
        else:
            raise UsageError(f"--checkpoint {given!r}: with several models write NAME=FILE, e.g. {names[0]}={given}")
    specs = []
    for name in names:
        own = []
        for option in options:
            key = option.split("=", 1)[0]
            owner, colon, _ = key.rpartition(":")
            if colon and owner in names:
                own += [option[len(owner) + 1 :]] if owner == name else []
            elif len(names) == 1:
                own.append(option)
            else:
                raise UsageError(f"--option {option!r}: with several models write MODEL:NAME=VALUE")
        choice = choose(name, files.get(name))
        if choice.instead:
            click.echo(choice.instead, err=True)
        chosen = choice.entry.name if choice.instead else name
        specs.append(build_model(chosen, files.get(name), parse_options(choice.entry, own), to_plan))
    return specs


def show_profile(folder: Path) -> None:
    """Three lines on where the time went, and the trace."""
    from robust_vos_bench.runs.trace import merge

    shares = merge(folder)
    if shares is not None:
        for line in [*shares.lines(), f"trace: {folder / 'trace.json'} (open in ui.perfetto.dev)"]:
            click.echo(line, err=True)


def show_result(folder: Path, manifest: Manifest, as_json: bool) -> None:
    """The table on stdout; where the rest is, on stderr."""
    from rich.console import Console

    from robust_vos_bench.analysis.matrix import read_matrix
    from robust_vos_bench.analysis.table import RobustnessTable
    from robust_vos_bench.reports.text import WIDTH, print_summary
    from robust_vos_bench.runs.run import is_whole_preset
    from robust_vos_bench.runs.store import RunStore

    matrix = read_matrix(RunStore(folder), manifest)
    table = RobustnessTable(matrix)
    if as_json:
        click.echo(json.dumps(result_json(folder, manifest, [row.summary for row in table]), indent=2))
        return
    console = Console(highlight=False, width=WIDTH, markup=False)
    if any(m.is_recipe for m in manifest.models):
        console.print("Untrained recipe weights: a smoke test, not a result.", style="bold red")
    if matrix.objects:
        name = manifest.preset.name
        preset = f"{name} v{manifest.preset.version}" if name != "custom" else "chosen by hand"
        if name != "custom" and not is_whole_preset(manifest):
            preset = f"part of {preset}"
        print_summary(console, table, manifest.dataset.name, preset)
    else:
        console.print("No video has been scored.")
    counts = manifest.units
    click.echo(f"{counts.ok}/{counts.planned} units done, {counts.failed} failed. Results: {folder}", err=True)


def result_json(folder: Path, manifest: Manifest, summaries: Sequence[Any]) -> dict[str, Any]:
    """The table as data; NaN (missing) becomes null."""
    import dataclasses
    import math

    import msgspec

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return None if math.isnan(value) else value
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        return value

    return {
        "output": str(folder),
        "status": manifest.status,
        "run_id": manifest.run_id,
        "dataset": manifest.dataset.name,
        "preset": msgspec.to_builtins(manifest.preset),
        "units": {k: getattr(manifest.units, k) for k in ("planned", "ok", "failed", "pending")},
        "models": [{k: plain(v) for k, v in dataclasses.asdict(s).items()} for s in summaries],
    }


def exit_code(manifest: Manifest, failures: Sequence[int]) -> int:
    """0 all done, 130 interrupted, 5 where every failure is a broken contract, else 3."""
    if manifest.status == "complete":
        return 0
    if manifest.status == "interrupted":
        return 130
    return 5 if failures and all(code == 5 for code in failures) and manifest.units.ok == 0 else 3
