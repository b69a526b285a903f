"""What a run will cost, from what earlier runs on this machine measured; nothing is guessed where nothing was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.conditions import Condition
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.store import RunStore

RECORD_BYTES = 2_500
"""A unit's record and its scores by frame, rounded up from real runs of 70-frame videos."""
MASK_BYTES = 6_000
"""A 480p palette mask."""


@dataclass(frozen=True)
class Estimate:
    """Frames are exact; seconds are None for as long as a model of the plan has no finished video here."""

    frames: int
    """Frames to segment."""
    seconds: float | None
    """Wall time with the given number of workers, if they never wait for each other."""
    disk_mib: float
    unmeasured: tuple[str, ...]
    """Models without a measured rate."""


def estimate(plan: Plan, pending: Sequence[tuple[int, Condition, str]], folder: Path, workers: int) -> Estimate:
    """Cost of the pending units. Rates are seconds a frame (model, frames and scoring) of the same model on the same
    data set, from this run directory and its neighbours."""
    lengths = {video: len(plan.dataset.video(video)) for video in {v for _, _, v in pending}}
    rates = _rates(folder, plan.dataset.name)
    frames, seconds = 0, 0.0
    unmeasured: dict[str, None] = {}
    for model, _, video in pending:
        name = plan.models[model].record.name
        frames += lengths[video]
        if name in rates:
            seconds += rates[name] * lengths[video]
        else:
            unmeasured[name] = None
    disk = len(pending) * RECORD_BYTES + (frames * MASK_BYTES if plan.save_masks else 0)
    total = None if unmeasured else seconds / max(workers, 1)
    return Estimate(frames, total, disk / 2**20, tuple(unmeasured))


def _rates(folder: Path, dataset: str) -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)
    seen: dict[str, int] = defaultdict(int)
    for path in sorted({*folder.parent.glob("*/run.json"), *folder.glob("run.json")}):
        store = RunStore(path.parent)
        try:
            manifest = store.manifest()
        except DataError:  # a neighbour of another version is no reason to refuse a plan
            continue
        if manifest is None or manifest.dataset.get("name") != dataset:
            continue
        for model in manifest.models:
            for condition in manifest.conditions:
                for record in store.records(condition["label"], model.name).values():
                    if record.ok:
                        spent[model.name] += record.seconds_model + record.seconds_frames + record.seconds_score
                        seen[model.name] += record.frames
    return {name: spent[name] / seen[name] for name in seen if seen[name]}
