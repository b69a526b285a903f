"""`robust_vos_bench.attack`: audited splits against models, their scores, and their flags."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robust_vos_bench.api.attack_report import AttackReport, raise_for_failures
from robust_vos_bench.api.models import resolve_models
from robust_vos_bench.api.prepare import opened, ray_engine
from robust_vos_bench.api.run import execute
from robust_vos_bench.api.settings import (
    MaskFiles,
    Models,
    Names,
    RunSettings,
    names,
    settings_of,
)
from robust_vos_bench.attacks.engine import Carrier, check_models, run_attacks
from robust_vos_bench.attacks.lanes import Lanes
from robust_vos_bench.attacks.plan import AttackPlan
from robust_vos_bench.attacks.presets import AttackPreset, load_attack_preset, noise_of
from robust_vos_bench.attacks.store import check_format, finished
from robust_vos_bench.attacks.table import Board, board_of
from robust_vos_bench.attacks.threat import Threat, in_order, read_threat
from robust_vos_bench.corrupted.counts import FrameCounts
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.fetch import offline as without_network
from robust_vos_bench.models.registry import resolve_device
from robust_vos_bench.runs.listener import Listener
from robust_vos_bench.runs.local.devices import worker_devices
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.system.causes import Causes
from robust_vos_bench.system.paths import user_path

DEFAULT_PRESET = "adversarial"
TARGETS = ("truth", "clean")
SCORES = "scores"
"""Folder of the run that scores the splits, in their output folder."""


@dataclass(frozen=True)
class AttackSettings:
    """Everything that decides a command of attacks, as given; None is "not given"."""

    run: RunSettings
    """Models, data and machine; its conditions are the splits."""
    output: Path
    preset: str | None = None
    threats: tuple[str, ...] = ()
    steps: int | None = None
    queries: int | None = None
    window: int | None = None
    format: str = "png"
    target: str = "truth"


def attack(
    model: Models,
    *,
    output: str | Path,
    preset: str | None = None,
    threat: Names | Threat | Sequence[Threat] | None = None,
    dataset: str | Dataset = "demo",
    data_root: str | Path | None = None,
    mask: MaskFiles = None,
    videos: Names | None = None,
    limit: int | None = None,
    checkpoint: str | Path | Mapping[str, str | Path] | Iterable[str] | None = None,
    option: Mapping[str, Any] | Iterable[str] | None = None,
    steps: int | None = None,
    queries: int | None = None,
    window: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str = "auto",
    engine: str = "local",
    ray_address: str | None = None,
    ray_gpus: float | None = None,
    ship_data: str = "auto",
    format: str = "png",
    target: str = "truth",
    score: bool = True,
    offline: bool = False,
    progress: bool = True,
) -> AttackReport:
    """Make frames that hurt models most within a budget, store and score them: `rvos-bench attack`.

    Parameters
    ----------
    model, checkpoint, option, dataset, data_root, mask, videos, limit, workers, device, offline
        As in `run`. Every model is a source: the splits are made against it, and scored on all of them.
    engine, ray_address, ray_gpus, ship_data
        As in `run`. device "auto" is here what this machine has: say "cuda" where only the nodes have GPUs.
    output
        Folder to write to; each threat and model becomes a folder in it ("linf-prompt-e2@aot.lite"). The same call
        again goes on where it stopped.
    preset
        "adversarial" (the default), "adversarial-quick", "adversarial-black", "adversarial-patch", or a .toml file.
    threat
        Only these: "linf-prompt-e2", `Threat("linf", 2, "prompt")`, or several.
    steps, queries, window
        In place of the preset's: steps of a search, queries of Square, predicted frames that are searched at once.
    seed
        Seed of every random draw.
    format
        "png", or "delta": differences of the changed frames alone.
    target
        "truth": masks shall differ from the true ones. "clean": from those that the model gives for the clean frames,
        where the data set publishes no others; then the scores of the records are J&F with these.
    score
        Score the splits on all models, as a run in `output`/scores.
    progress
        Show a bar on stderr.

    Returns
    -------
    AttackReport
        The folders, and `board`: the tables with their flags. Printed, it shows them.

    Raises
    ------
    UsageError, DataError
        A model without gradients for a threat that needs them; data that is missing, damaged or without true masks; an
        output folder that holds something else or is full.
    IncompleteError
        Videos that could not be attacked; `partial` of the error is the AttackReport.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> report = rvos.attack(
    ...     model="cfbi.lite", threat="linf-prompt-e4", steps=1, limit=1, output="attacked", workers=1, progress=False
    ... )
    >>> report.made + report.kept, report.failed
    (2, [])
    """
    words = (threat,) if isinstance(threat, Threat) else threat
    if words is not None and not isinstance(words, str):
        words = [one.label if isinstance(one, Threat) else one for one in words]
    run = settings_of(
        model,
        dataset=dataset,
        data_root=data_root,
        mask=mask,
        videos=videos,
        limit=limit,
        checkpoint=checkpoint,
        option=option,
        seed=seed,
        workers=workers,
        device=device,
        engine=engine,
        ray_address=ray_address,
        ray_gpus=ray_gpus,
        ship_data=ship_data,
        offline=offline,
    )
    settings = AttackSettings(run, user_path(output), preset, names(words), steps, queries, window, format, target)
    report = carry_out(settings, planned(settings, quiet=not progress), score, quiet=not progress)
    raise_for_failures(report)
    return report


def planned(settings: AttackSettings, quiet: bool = False) -> AttackPlan:
    """Resolve models, data and preset. Raises UsageError for what a model cannot have."""
    preset = _preset(settings)
    if settings.target not in TARGETS:
        raise UsageError(f"unknown target {settings.target!r}; use {' or '.join(TARGETS)}")
    if settings.target == "clean" and any(t.kind == "patch" for t in preset.threats):
        raise UsageError("a patch is placed by the true masks: it has no --target clean")
    check_format(settings.format, preset.threats)
    run = settings.run
    with without_network(run.offline):
        models = resolve_models(run.models, run.checkpoints, run.options, quiet=quiet)
    data = opened(run.dataset, run.data_root, run.limit, run.videos, run.masks)
    kind = resolve_device(run.device.split(",")[0]).split(":")[0]
    plan = AttackPlan(
        tuple(models), data, preset, settings.output.absolute(), run.seed, settings.format, kind, settings.target
    )
    check_models(plan)
    return plan


def _preset(settings: AttackSettings) -> AttackPreset:
    """The preset, with what was asked for in its place: then it is no longer that preset."""
    preset = load_attack_preset(settings.preset or DEFAULT_PRESET)
    asked_for = {"steps": settings.steps, "queries": settings.queries, "window": settings.window}
    changes: dict[str, Any] = {name: value for name, value in asked_for.items() if value is not None}
    if changes:
        preset = replace(preset, name=f"{preset.name} altered", effort=replace(preset.effort, **changes))
    if settings.threats:
        asked = [read_threat(word) for word in settings.threats]
        noise = noise_of(asked) if any(t.kind == "noise" for t in preset.threats) else []
        whole = in_order([*asked, *noise])
        if not set(whole) <= set(preset.threats):
            preset = replace(preset, name=preset.name.removesuffix(" altered") + " altered")
        preset = replace(preset, threats=tuple(whole))
    return preset


def carry_out(
    settings: AttackSettings, plan: AttackPlan, score: bool = True, quiet: bool = False, debug: bool = False
) -> AttackReport:
    """Make what is not there and score it; failures are in the report."""
    report = AttackReport(folders={facts.label: str(plan.folder(facts)) for facts in plan.splits()})
    jobs = plan.jobs
    units = sum(len(plan.threats(job.spec)) for job in jobs)
    counts, causes = FrameCounts(len(jobs)), Causes()
    with (
        without_network(settings.run.offline),
        Bar("starting", units, "attacks", quiet, count=counts.total) as bar,
        _carrier(settings.run, plan, counts) as carrier,
    ):
        for note in () if quiet else filter(None, (plan.dataset.part, *plan.dataset.notes)):
            bar.say(note)
        for made in run_attacks(plan, carrier):
            bar.what = f"{made.label} · {made.job.video}"
            if made.error is not None:
                report.failed.append(made)
                bar.failed += 1
                names_ = (made.job.video, made.label)
                if causes.is_new(str(made.error), names_, isinstance(made.error, DataError)):
                    bar.say(f"! {made.label} · {made.job.video}: {made.error}")
                    if debug and made.error.traceback:
                        bar.say(made.error.traceback)
            elif made.attack is not None:
                report.records.setdefault(made.label, []).append(made.attack)
            if made.error is None and made.kept:
                report.kept += 1
                bar.skipped(1)
            elif made.error is None:
                report.made += 1
        for text in causes.repeated():
            bar.say(f"! {text}")
    if score:
        report.board = _scored(settings.run, plan, report, quiet, debug)
    return report


@contextlib.contextmanager
def _carrier(run: RunSettings, plan: AttackPlan, counts: FrameCounts) -> Iterator[Carrier]:
    """What carries out the jobs; a cluster is left with the block."""
    if run.engine == "local":
        yield Lanes(worker_devices(run.device, run.workers, len(plan.jobs)), counts)
        return
    from robust_vos_bench.attacks.cluster import ClusterLanes

    with contextlib.closing(ray_engine(run, plan.device, 0)) as engine:  # a search reads its frames once
        engine.ready()
        yield ClusterLanes(engine.cluster, counts)


def _scored(scored: RunSettings, plan: AttackPlan, report: AttackReport, quiet: bool, debug: bool) -> Board | None:
    """Run all models on all splits of the output folder, of the videos that no attack failed on."""
    from robust_vos_bench.api.progress import ProgressListener

    if not any(plan.dataset.has_truth(name) for name in plan.dataset.videos):
        return None
    failed = {made.job.video for made in report.failed}
    videos = [name for name in plan.dataset.videos if name not in failed]
    if not videos:
        return None
    settings = replace(
        scored, attacked=(plan.output,), output=plan.output / SCORES, save_masks=False, overlay=False, seed=0
    )
    if failed:
        whole = plan.dataset.with_videos(videos)
        settings = replace(settings, dataset=whole, data_root=None, masks=(), videos=(), limit=None)
    run = execute(settings, ProgressListener(quiet, debug) if not quiet else Listener())
    return board_of(run, [plan.output])


def describe(plan: AttackPlan) -> dict[str, Any]:
    """What a plan would do, as plain data."""
    there = sum(
        finished(plan.dataset, job.video, facts, plan.folder(facts)) is not None
        for job in plan.jobs
        for facts in (plan.facts(job.spec, threat) for threat in plan.threats(job.spec))
    )
    attacks = sum(len(plan.threats(job.spec)) for job in plan.jobs)
    frames = {name: len(plan.dataset.video(name)) for name in plan.dataset.videos}
    passes = sum(
        plan.preset.effort_of(threat).steps * len(plan.preset.effort.losses) * plan.preset.starts.get(threat.name, 1)
        if threat.needs_gradients
        else plan.preset.effort.queries
        for threat in plan.preset.threats
        if threat.needs_model
    )
    return {
        "output": str(plan.output),
        "models": [spec.record.name for spec in plan.models],
        "dataset": plan.dataset.name,
        "videos": len(frames),
        "frames": sum(frames.values()),
        "preset": f"{plan.preset.name} v{plan.preset.version}",
        "threats": [threat.label for threat in plan.preset.threats],
        "attacks": attacks,
        "there": there,
        "passes": passes * len(plan.models) * len(frames),
        "device": plan.device,
    }
