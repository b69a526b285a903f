"""From the words of a run to its plan, its folder and its engine; nothing is computed here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.api.models import resolve_models
from robust_vos_bench.api.settings import RunSettings
from robust_vos_bench.conditions import Condition, PresetInfo, made_on, select
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.build import build_plan
from robust_vos_bench.runs.engine import Engine
from robust_vos_bench.runs.local.devices import producers_for, worker_devices
from robust_vos_bench.runs.local.engine import LocalEngine
from robust_vos_bench.runs.manifest import default_folder
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.system.paths import user_path


@dataclass(frozen=True)
class Prepared:
    """A run before it starts."""

    plan: Plan
    folder: Path
    """The run directory."""
    devices: list[str]
    """One entry per worker process."""
    producers: int
    """Processes per worker that make frames ahead of the model."""


def prepare(
    settings: RunSettings, to_plan: bool = False, notice: Callable[[str], None] = lambda text: None
) -> Prepared:
    """Resolve models, conditions, data and devices.

    to_plan: weights may be absent. notice: is told where a name stands for another model than expected, and what
    was left out of the data.
    """
    models = resolve_models(settings.models, settings.checkpoints, settings.options, to_plan, notice)
    conditions, preset = choose_conditions(settings)
    data = open_data(settings, preset)
    for note in data.notes:
        notice(note)
    plan = build_plan(models, data, conditions, preset, save_masks=settings.save_masks, profile=settings.profile)
    devices = worker_devices(settings.device, settings.workers, len(plan.conditions) * len(plan.videos))
    producers = producers_for(devices, settings.producers, settings.workers)
    folder = user_path(settings.output or default_folder(plan)).absolute()
    return Prepared(plan, folder, devices, producers)


def choose_conditions(settings: RunSettings) -> tuple[list[Condition], PresetInfo]:
    """The conditions of a run and the preset they belong to.

    Without corruptions and preset: `smoke` on the demo data, `common` on any other.
    """
    preset = settings.preset
    if settings.conditions and not settings.corruptions and preset is None:
        return list(settings.conditions), PresetInfo("custom", 0, "Conditions made in Python")
    if not settings.corruptions and preset is None:
        preset = "smoke" if is_demo(settings.dataset) else "common"
    chosen, info = select(
        settings.corruptions,
        settings.severities,
        preset,
        settings.temporal,
        settings.severity_profile,
        settings.seed,
        settings.clean_reference,
    )
    chosen = made_on(chosen, settings.corrupt_device)  # whether it is here is asked when something is to be computed
    if settings.conditions:
        info = PresetInfo("custom", 0, "Conditions made in Python")
    return [*chosen, *settings.conditions], info


def open_data(settings: RunSettings, preset: PresetInfo) -> Dataset:
    """The data set of a run; the demo data is as long as the preset asks for."""
    if isinstance(settings.dataset, Dataset):
        if settings.limit is None:
            return settings.dataset
        return settings.dataset.with_videos(list(settings.dataset.videos)[: settings.limit])
    limit = settings.limit
    if limit is None and settings.dataset == "demo":
        limit = preset.videos
    return open_dataset(settings.dataset, settings.data_root, limit=limit)


def is_demo(dataset: str | Dataset) -> bool:
    """Whether the clips are those made on the spot."""
    name = dataset if isinstance(dataset, str) else dataset.name
    return name.split(":")[0] == "demo"


@contextlib.contextmanager
def opened_engine(settings: RunSettings, prepared: Prepared) -> Iterator[Engine]:
    """The engine that the settings name; it is closed with the block."""
    if settings.engine == "local":
        yield LocalEngine(prepared.devices, prepared.producers)
        return
    if settings.engine != "ray":
        raise UsageError(f"unknown engine {settings.engine!r}; use local or ray")
    from robust_vos_bench.runs.ray.engine import RayEngine

    gpus = 0.0 if settings.ray_gpus is None and settings.device == "cpu" else settings.ray_gpus
    with contextlib.closing(
        RayEngine(settings.ray_address, gpus, settings.producers, settings.ship_data)
    ) as ray_engine:
        yield ray_engine
