"""From the words of a run to its plan, its folder and its engine; nothing is computed here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robust_vos_bench.api.models import resolve_models
from robust_vos_bench.api.settings import RunSettings
from robust_vos_bench.conditions import CLEAN, Condition, PresetInfo, made_on, select
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.datasets.layout import select_videos
from robust_vos_bench.errors import RvosError, UsageError
from robust_vos_bench.runs.build import build_plan
from robust_vos_bench.runs.engine import Engine
from robust_vos_bench.runs.local.devices import producers_for, worker_devices
from robust_vos_bench.runs.local.engine import LocalEngine
from robust_vos_bench.runs.manifest import default_folder
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    from robust_vos_bench.runs.ray.engine import RayEngine

MOST_FILMS = 100
"""Films that a run makes without being asked."""


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
    settings: RunSettings,
    to_plan: bool = False,
    notice: Callable[[str], None] = lambda text: None,
    quiet: bool = False,
) -> Prepared:
    """Resolve models, conditions, data and devices.

    to_plan: weights may be absent; otherwise they are fetched where they can be. quiet: no bar meanwhile. notice: is
    told of that, where a name stands for another model than expected, and what was left out of the data.
    """
    models = resolve_models(settings.models, settings.checkpoints, settings.options, to_plan, notice, quiet)
    conditions, preset = choose_conditions(settings)
    data = open_data(settings, preset)
    if settings.attacked:
        from robust_vos_bench.attacks.splits import stored_conditions

        stored, preset = stored_conditions(settings.attacked, data, None if conditions else preset)
        conditions = [*conditions, *stored]
    for note in filter(None, (data.part, *data.notes)):
        notice(note)
    save_masks, films = _pictures(settings, data, len(models) * len({*conditions, CLEAN}), notice)
    plan = build_plan(models, data, conditions, preset, save_masks=save_masks, profile=settings.profile, films=films)
    devices = worker_devices(settings.device, settings.workers, len(plan.conditions) * len(plan.videos))
    producers = producers_for(devices, settings.producers, settings.workers)
    folder = user_path(settings.output or default_folder(plan)).absolute()
    return Prepared(plan, folder, devices, producers)


def _pictures(
    settings: RunSettings, data: Dataset, cells: int, notice: Callable[[str], None]
) -> tuple[bool, Sequence[str]]:
    """(whether masks are kept, videos of which films are made): by default where a video has no truth, because masks
    are then all that a run gives. cells: films that each video means."""
    untold: list[str] = []
    if settings.save_masks is None or settings.overlay is None:
        untold = [name for name in data.videos if not _has_truth(data, name)]
    save = bool(untold) if settings.save_masks is None else settings.save_masks
    if settings.overlay is not None:
        return save, data.videos if settings.overlay else ()
    if len(untold) * cells > MOST_FILMS:
        notice(
            f"No films are made: there would be {len(untold) * cells}. --overlay makes them, or, afterwards, "
            "rvos-bench overlay RUN --videos NAME."
        )
        return save, ()
    return save, untold


def _has_truth(data: Dataset, name: str) -> bool:
    try:
        return data.has_truth(name)
    except (RvosError, OSError):  # it fails, with its reason, when it is its turn
        return True


def choose_conditions(settings: RunSettings) -> tuple[list[Condition], PresetInfo]:
    """The conditions of a run and the preset they belong to.

    Without corruptions and preset: `smoke` on the demo data, `common` on any other.
    """
    preset = settings.preset
    if settings.conditions and not settings.corruptions and preset is None:
        return list(settings.conditions), PresetInfo("custom", 0, "Conditions made in Python")
    if preset is not None and preset.startswith("adversarial"):
        raise UsageError(
            f"preset {preset!r} is one of attacks, which need frames made against a model: rvos-bench attack --preset "
            f"{preset} --output DIR makes them, and run --attacked DIR scores them on any model"
        )
    if settings.attacked and not settings.corruptions and not settings.conditions and preset is None:
        return [], PresetInfo("custom", 0, "Stored splits")
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
    limit = settings.limit
    if limit is None and settings.dataset == "demo" and not settings.videos:
        limit = preset.videos
    return opened(settings.dataset, settings.data_root, limit, settings.videos, settings.masks)


def opened(
    dataset: str | Dataset,
    data_root: str | Path | None = None,
    limit: int | None = None,
    videos: Sequence[str] = (),
    masks: Sequence[str] = (),
    bare: bool = False,
) -> Dataset:
    """A data set by name or as it is, narrowed to some videos, then to the first `limit`. bare: masks are optional."""
    only = list(videos) or None
    if isinstance(dataset, str):
        return open_dataset(dataset, data_root, limit=limit, videos=only, masks=masks, bare=bare)
    if masks:
        raise UsageError("masks are given where a video file is opened: open_dataset('clip.mp4', masks=[...])")
    if limit is None and only is None:
        return dataset
    return dataset.with_videos(select_videos(dataset.name, tuple(dataset.videos), limit, only))


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
    with contextlib.closing(ray_engine(settings, settings.device, settings.producers)) as engine:
        yield engine


def ray_engine(settings: RunSettings, device: str, producers: int | None) -> RayEngine:
    """The cluster that the settings name, not joined yet."""
    from robust_vos_bench.runs.ray.cluster import REJOIN_SECONDS
    from robust_vos_bench.runs.ray.engine import RayEngine

    wait = REJOIN_SECONDS if settings.ray_wait is None else settings.ray_wait
    return RayEngine(settings.ray_address, settings.ray_gpus, producers, settings.ship_data, wait, device)
