"""What failed or is missing in a run, and what its models cost."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.run import Run

SHOWN = 8
"""Conditions of a failure that are named."""


@dataclass(frozen=True)
class Failure:
    """Units of one model without scores, for one reason."""

    model: str
    why: str
    units: int
    where: str
    """Conditions, each with its videos."""


@dataclass(frozen=True)
class Cost:
    """Time and memory of one model over its finished units."""

    model: str
    fps: float
    """Frames per second of the model alone; NaN where nothing is finished."""
    frames: int
    seconds: float
    made: float
    """Seconds for decoding and corruption."""
    rss: float
    """Peak memory in MiB; NaN where nothing is finished."""
    gpu: float
    warnings: tuple[str, ...]


def failures(run: Run) -> list[Failure]:
    """All units without scores, those of videos without truth included, by model and reason."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    models = [row.model for row in in_order(run.robustness)]
    for model, label in itertools.product(models, run.conditions):
        records = run.records(model, label)
        for video in run.manifest.videos:
            if video not in records or not records[video].ok:
                why = records[video].error if video in records else "not run"
                found.setdefault((model, why), {}).setdefault(label, []).append(video)
    return [_failure(model, why, cells, len(run.manifest.videos)) for (model, why), cells in found.items()]


def _failure(model: str, why: str, cells: dict[str, list[str]], videos: int) -> Failure:
    words = [
        f"{label} (all videos)" if len(names) == videos else f"{label} ({', '.join(names)})"
        for label, names in itertools.islice(cells.items(), SHOWN)
    ]
    more = len(cells) - len(words)
    where = ", ".join(words) + (f" and {more} more conditions" if more else "")
    return Failure(model, why, sum(map(len, cells.values())), where)


def costs(run: Run) -> list[Cost]:
    """Per model, in the order of the tables."""
    rows = []
    for model in (row.model for row in in_order(run.robustness)):
        records = [r for c in run.conditions for r in run.records(model, c).values() if r.ok]
        frames, seconds = sum(r.frames for r in records), sum(r.seconds_model for r in records)
        rows.append(
            Cost(
                model,
                fps=frames / seconds if seconds else math.nan,
                frames=frames,
                seconds=seconds,
                made=sum(r.seconds_frames for r in records),
                rss=max((r.peak_rss_mib for r in records), default=math.nan),
                gpu=max((r.peak_gpu_mib for r in records), default=0.0),
                warnings=tuple(sorted({w for r in records for w in r.warnings})),
            )
        )
    return rows
