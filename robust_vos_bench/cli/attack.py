"""`rvos-bench attack`: make audited splits against models, score them, and say how far to believe the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robust_vos_bench.cli.options import (
    CommaList,
    UserPath,
    checkpoint_option,
    config_option,
    dataset_options,
    debugging,
    device_option,
    dry_run_option,
    engine_options,
    flat,
    json_option,
    model_option,
    offline_option,
    output_option,
    workers_option,
)
from robust_vos_bench.errors import UsageError

EPILOG = """\b
Examples:
  rvos-bench attack --model aot.lite --preset adversarial-quick --output attacked
  rvos-bench attack --model aot.lite,cfbi.lite --dataset davis2016:val --data-root ~/DAVIS --output attacked
  rvos-bench attack --model aot.lite --threat linf-prompt-e2 --steps 50 --output attacked
  rvos-bench attack --model flow --preset adversarial-black --output attacked
  rvos-bench attack --verify attacked --dataset davis2016:val --data-root ~/DAVIS
  rvos-bench run --model labelprop --attacked attacked

A threat is KIND-FRAMES-eBUDGET: linf, square, noise (grey levels) or patch (percent of the picture) on the frames
prompt, rest, one or all. Each threat and model becomes a folder (linf-prompt-e2@aot.lite). The same command again
goes on where it stopped. Every number stands with its flags: docs/adversarial.md says what they show and do not.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@model_option()
@checkpoint_option()
@click.option("--option", "options", multiple=True, metavar="[MODEL:]NAME=VALUE", help="Option of a model, as in run.")
@dataset_options
@click.option(
    "-p",
    "--preset",
    help="adversarial, adversarial-quick, adversarial-black, adversarial-patch, or a file .toml. [default: the first]",
)
@click.option(
    "--threat",
    "threats",
    multiple=True,
    type=CommaList(),
    callback=flat,
    help="Only these threats (linf-prompt-e2), of the preset or others. Several by comma or by repeating the flag.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps of each search. [default: as the preset says]")
@click.option("--queries", type=click.IntRange(min=1), help="Queries of Square Attack. [default: as the preset says]")
@click.option(
    "--window", type=click.IntRange(min=0), help="Predicted frames searched at once; 0: the whole video. [default: 16]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random draw.")
@workers_option()
@device_option()
@engine_options
@output_option("Folder to write to; each threat and model becomes a folder in it.", envvar=None)
@click.option(
    "--format",
    "format",
    type=click.Choice(["png", "delta"]),
    default="png",
    show_default=True,
    help="delta: differences of the changed frames alone, which show no frame.",
)
@click.option(
    "--target",
    type=click.Choice(["truth", "clean"]),
    default="truth",
    show_default=True,
    help="clean: the model's own masks of the clean frames, where a data set publishes no true ones.",
)
@click.option("--score/--no-score", default=True, help="Score the splits on the models, in <output>/scores.")
@click.option("--verify", type=UserPath(file_okay=False), help="Instead: audit the splits in this folder.")
@offline_option()
@json_option()
@dry_run_option()
@config_option()
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but what has failed.")
def command(
    models: tuple[str, ...],
    checkpoints: tuple[str, ...],
    options: tuple[str, ...],
    dataset: str,
    data_root: Path | None,
    masks: tuple[str, ...],
    videos: tuple[str, ...],
    limit: int | None,
    preset: str | None,
    threats: tuple[str, ...],
    steps: int | None,
    queries: int | None,
    window: int | None,
    seed: int,
    workers: int | None,
    device: str,
    engine: str,
    ray_address: str | None,
    ray_gpus: float | None,
    ship_data: str,
    output: Path | None,
    format: str,
    target: str,
    score: bool,
    verify: Path | None,
    offline: bool,
    as_json: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Make frames that hurt a model most within a budget, store them as a split, score it, print what is left.

    The attacker knows the model, the video and the true masks, and changes decoded pixels.
    """
    from robust_vos_bench.api import attack as api
    from robust_vos_bench.api import attack_report as reported
    from robust_vos_bench.api.settings import RunSettings
    from robust_vos_bench.cli.stdout import prints_on_stderr

    if verify is not None:
        verdicts = reported.verify(verify, dataset, data_root, videos, limit, masks)
        if as_json:
            click.echo(json.dumps([vars(v) | {"ok": v.ok} for v in verdicts], indent=2))
        else:
            for verdict in verdicts:
                word = "ok" if verdict.ok else f"PROBLEM: {verdict.problem}"
                click.echo(f"{verdict.split} · {verdict.video or 'split'}: {word}")
        reported.raise_for_verdicts(verdicts)
        return
    if not models:
        raise UsageError("no model is given: --model NAME (`rvos-bench list models` shows what there is)")
    if output is None:
        raise UsageError("where to? Give --output DIR; each threat and model becomes a folder in it")
    with prints_on_stderr():
        run = RunSettings(
            models=models,
            checkpoints=checkpoints,
            options=options,
            dataset=dataset,
            data_root=data_root,
            masks=masks,
            videos=videos,
            limit=limit,
            seed=seed,
            workers=workers,
            device=device,
            engine=engine,
            ray_address=ray_address,
            ray_gpus=ray_gpus,
            ship_data=ship_data,
            offline=offline,
        )
        settings = api.AttackSettings(run, output, preset, threats, steps, queries, window, format, target)
        planned = api.planned(settings, quiet)
        if not dry_run:
            report = api.carry_out(settings, planned, score, quiet, debugging())
    if dry_run:
        facts = api.describe(planned)
        words = {k: ", ".join(v) if isinstance(v, list) else v for k, v in facts.items()}
        click.echo(json.dumps(facts, indent=2) if as_json else "\n".join(f"{k:10} {v}" for k, v in words.items()))
        return
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        if report.board is None:
            for line in report.told():
                click.echo(line)
        else:
            show_board(report.board)
        if not quiet:
            click.echo(
                f"{report.made} attacks made, {report.kept} were there already, {len(report.failed)} failed. "
                f"Splits: {output}" + (f". Scores: {output / api.SCORES}" if report.board is not None else ""),
                err=True,
            )
    reported.raise_for_failures(report)


def show_board(board: object) -> None:
    """The tables of attacks on stdout."""
    from rich.console import Console

    from robust_vos_bench.attacks.shown import print_board
    from robust_vos_bench.reports.text import WIDTH

    print_board(Console(highlight=False, width=WIDTH, markup=False), board)  # type: ignore[arg-type]
