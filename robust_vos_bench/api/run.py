"""`robust_vos_bench.run` and `robust_vos_bench.plan`: corrupt, segment, score; or say what that would cost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_vos_bench.analysis.run import Run
from robust_vos_bench.api.plan import RunPlan, estimated, workers_of
from robust_vos_bench.api.prepare import opened_engine, prepare
from robust_vos_bench.api.progress import ProgressListener
from robust_vos_bench.api.repeat import started
from robust_vos_bench.api.settings import DEFAULT_MODEL, Corruptions, MaskFiles, Models, Names, RunSettings, settings_of
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import ContractError, DataError, IncompleteError
from robust_vos_bench.fetch import offline as without_network
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.run import Listener, run_with_records


def run(
    model: Models = DEFAULT_MODEL,
    corruption: Corruptions = None,
    *,
    preset: str | None = None,
    severity: int | Iterable[int] | str | None = None,
    dataset: str | Dataset = "demo",
    data_root: str | Path | None = None,
    mask: MaskFiles = None,
    videos: Names | None = None,
    limit: int | None = None,
    checkpoint: str | Path | Mapping[str, str | Path] | Iterable[str] | None = None,
    option: Mapping[str, Any] | Iterable[str] | None = None,
    temporal: str | None = None,
    severity_profile: str | None = None,
    clean_reference: bool | None = None,
    seed: int = 0,
    corrupt_device: str = "cpu",
    attacked: str | Path | Sequence[str | Path] | None = None,
    workers: int | None = None,
    device: str = "auto",
    output: str | Path | None = None,
    overwrite: str = "missing",
    save_masks: bool | None = None,
    overlay: bool | None = None,
    producers: int | None = None,
    engine: str = "local",
    ray_address: str | None = None,
    ray_gpus: float | None = None,
    ray_wait: float | None = None,
    ship_data: str = "auto",
    profile: bool = False,
    fail_fast: bool = False,
    offline: bool = False,
    progress: bool | Listener = True,
    allow_failures: bool = False,
) -> Run:
    """Corrupt videos, run models on them, score the masks: `rvos-bench run`, with the same words.

    The same call again resumes: what is done under the same model, weights, options, data and corruption versions is
    not run again.

    Parameters
    ----------
    model
        Names ("labelprop", "aot.r50_l"), "path/to/file.py:Class", or a VOSAdapter class that lies in a file; several
        as a list or by comma. `rvos-bench list models` shows what there is. "ours=aot.r50_l", or {"ours": "aot.r50_l"},
        gives a model a name, under which it is recorded and which `checkpoint` and `option` take.
    corruption
        Corruptions, families ("blur"), presets, "path/to/file.py:name", or `Condition` objects. Without it and
        without `preset`: the preset "smoke" on the demo data, "common" on any other. Clean is always part of a run.
    preset, severity, temporal, severity_profile, clean_reference, seed
        Which conditions, as on the command line; `None` is what the preset says.
    dataset, data_root, videos, limit
        "demo", "davis2017:val", "folder", "clip.mp4" or a folder of such files, "path/to/file.py:Class", or an opened
        `Dataset`; where it lies; only the videos of these names (or patterns, "car*"); only the first so many.
    mask
        First mask of a video file: a PNG, a .txt of boxes and polygons, `{12: "later.png"}` for frame 12, several, or a
        folder of masks.
    checkpoint
        A weights file, "random" (untrained, for smoke tests), or a mapping model -> file.
    option
        Options of the model, `{"size": 480}`; with several models `{"aot.t": {"size": 480}}`.
    corrupt_device
        Torch device that makes the frames of corruptions which can be made in batches; "cpu" is our own code.
    attacked
        A folder that `attack` wrote, or several: every stored split in it is a condition, whichever model it was made
        against. Without `corruption` and `preset` these and clean are all.
    workers, device, producers
        Worker processes on the CPU; "auto", "cpu", "cuda", "cuda:0,cuda:1"; processes per GPU that make frames ahead.
    output
        Run directory; by default `rvos-results/<name of the run>`.
    overwrite
        "missing" runs what is not done or failed, "always" everything, "never" nothing.
    save_masks
        Keep every predicted mask as a palette PNG; None: where a video has no truth to score against.
    overlay
        Write a film of the masks on the frames for each video and condition; None: where a video has no truth.
    engine, ray_address, ray_gpus, ray_wait, ship_data
        "local" or "ray", and how to use the cluster.
    profile
        Write `trace.json`, which Perfetto opens.
    fail_fast
        Stop at the first video that fails.
    offline
        Fetch no weights (also RVOS_BENCH_OFFLINE=1); those that are not here are an error.
    progress
        True shows a bar (terminal and notebook), False nothing; a `Listener` is told of every unit.
    allow_failures
        Return the run also where units failed or are missing.

    Returns
    -------
    Run
        Scores, tables and records of the run directory; shows its table in a notebook.

    Raises
    ------
    UsageError
        Unknown names, impossible values, or a directory that holds another run.
    DataError, WeightsError
        Data, weights or the output folder are missing, wrong or not writable.
    IncompleteError, ContractError
        The run ended and units failed or are missing (ContractError: every unit, and each by a broken contract). The
        finished part is kept: the error's `partial` is the Run.
    KeyboardInterrupt
        It was stopped by Ctrl-C; the same call resumes.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> done = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> list(done.table()["model"])
    ['static', 'flow']
    """
    settings = settings_of(
        model,
        corruption,
        preset=preset,
        severity=severity,
        dataset=dataset,
        data_root=data_root,
        mask=mask,
        videos=videos,
        limit=limit,
        checkpoint=checkpoint,
        option=option,
        temporal=temporal,
        severity_profile=severity_profile,
        clean_reference=clean_reference,
        seed=seed,
        corrupt_device=corrupt_device,
        attacked=attacked,
        workers=workers,
        device=device,
        output=output,
        overwrite=overwrite,
        save_masks=save_masks,
        overlay=overlay,
        producers=producers,
        engine=engine,
        ray_address=ray_address,
        ray_gpus=ray_gpus,
        ray_wait=ray_wait,
        ship_data=ship_data,
        profile=profile,
        fail_fast=fail_fast,
        offline=offline,
    )
    done = execute(settings, listener_for(progress))
    if done.manifest.status == "interrupted":
        raise KeyboardInterrupt
    if not allow_failures:
        raise_for_status(done)
    return done


def execute(settings: RunSettings, listener: Listener) -> Run:
    """Carry out a run and return it however it ended (`Run.manifest.status`); failed units raise nothing."""
    showing = listener if isinstance(listener, ProgressListener) else None
    with contextlib.ExitStack() as stack:
        stack.enter_context(without_network(settings.offline))
        if showing is not None:
            stack.enter_context(showing.showing())
        prepared = prepare(settings, notice=listener.notice, quiet=showing is None or showing.quiet)
        if showing is not None and settings.engine == "local":
            showing.workers = workers_of(prepared)
        engine = stack.enter_context(opened_engine(settings, prepared))
        manifest, state = run_with_records(
            prepared.plan,
            prepared.folder,
            started(settings, prepared.plan, prepared.devices),
            listener,
            settings.overwrite,
            settings.fail_fast,
            engine,
        )
    done = Run(prepared.folder, manifest, state.cells)
    if (state.pending or state.reused) and prepared.plan.save_masks and done.matrix.unscored_videos:
        _compare_masks(done)
    return done


def _compare_masks(done: Run) -> None:
    """Compare masks now, while the run directory is being written: without truth their stability is what is shown, and
    a later look at a finished run writes nothing, not even what it has worked out."""
    for model in done.models:
        with contextlib.suppress(DataError):  # a damaged mask is told where it is shown
            done.object_stats(model)


def plan(model: Models = DEFAULT_MODEL, corruption: Corruptions = None, *, probe: bool = True, **words: Any) -> RunPlan:
    """What the same call of `run` would do and what it would cost: `rvos-bench run --dry-run`.

    Takes the arguments of `run`. probe: measure this machine for up to 20 seconds where no earlier run tells; a line on
    stderr says so. Print the result, or take `to_dict()`.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> plan = rvos.plan(model="static", corruption="fog-3", limit=1, probe=False)
    >>> plan.to_dict()["cells"]
    2
    """
    return plan_of(settings_of(model, corruption, **words), probe, ProgressListener().notice)


def plan_of(settings: RunSettings, probe: bool = True, say: Callable[[str], None] | None = None) -> RunPlan:
    """The plan of settings. say: is told where a name stands for another model, and before the probe."""
    prepared = prepare(settings, to_plan=True, notice=say or (lambda text: None))
    return estimated(prepared, settings.overwrite, probe, say)


def raise_for_status(done: Run) -> None:
    """Raise IncompleteError or ContractError, with the run as its `partial`, where units failed or are missing."""
    code = exit_code(done)
    if code == 0:
        return
    counts = done.manifest.units
    failed = failures(done)
    first = (
        f" First: {failed[0].model} · {failed[0].condition} · {failed[0].video}: {failed[0].error}" if failed else ""
    )
    kind = ContractError if code == ContractError.exit_code else IncompleteError
    error = kind(
        f"{counts.ok} of {counts.planned} units are done, {counts.failed} failed.{first} Results: {done.folder}; the "
        "same call tries the others again"
    )
    error.partial = done
    raise error


def failures(done: Run) -> list[UnitRecord]:
    """The records of the units that failed."""
    every = (record for cell in done.cells().values() for record in cell.values())
    return [record for record in every if record.failed]


def exit_code(done: Run) -> int:
    """0 all done, 130 interrupted, 5 where nothing but broken contracts came out, else 3."""
    status = done.manifest.status
    if status in ("complete", "interrupted"):
        return 0 if status == "complete" else 130
    codes = [record.error_code for record in failures(done)]
    broken = codes and all(code == ContractError.exit_code for code in codes) and done.manifest.units.ok == 0
    return ContractError.exit_code if broken else IncompleteError.exit_code


def listener_for(progress: bool | Listener) -> Listener:
    """A bar, silence, or what was given."""
    if isinstance(progress, Listener):
        return progress
    return ProgressListener(quiet=not progress)
