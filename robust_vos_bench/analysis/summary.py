"""The numbers of a robustness table, from cell means; nothing is filled in or averaged over what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.matrix import ScoreMatrix

Key = TypeVar("Key", str, int)


@dataclass(frozen=True)
class Summary:
    """One model's row, all in points (0..100), NaN where cells are missing.

    P: clean score. mPC: mean performance under corruption (Michaelis et al. 2019): mean over severities, then over
    corruptions; the ACM MM 2022 study's after-perturbation accuracy. rPC = mPC / P in percent. drop = P - mPC in
    points: that study's perturbation robustness (lower is better).
    """

    model: str
    p: float
    mpc: float
    rpc: float
    drop: float
    worst: float
    worst_label: str
    families: dict[str, float] = field(default_factory=dict)
    corruptions: dict[str, float] = field(default_factory=dict)
    severities: dict[int, float] = field(default_factory=dict)
    cells: dict[str, float] = field(default_factory=dict)
    """Condition label -> score."""
    cells_done: int = 0
    cells_planned: int = 0


def summarise(matrix: ScoreMatrix, measure: str = "J&F") -> list[Summary]:
    """One summary per model, in the order of the run. measure: "J&F", "J" or "F"."""
    means = 100 * matrix.cell_means(measure)
    return [_summary(matrix, model, means[a]) for a, model in enumerate(matrix.models)]


def _summary(matrix: ScoreMatrix, model: str, row: NDArray[np.float64]) -> Summary:
    cells = {c.label: float(v) for c, v in zip(matrix.conditions, row)}
    corrupted = [c for c in matrix.conditions if not c.is_clean and not c.is_stored]
    clean = next((cells[c.label] for c in matrix.conditions if c.is_clean), math.nan)
    by_corruption = {
        name: mean(cells[label] for label in labels)
        for name, labels in grouped((c.corruption, c.label) for c in corrupted).items()
    }
    by_severity = grouped((c.severity, c.label) for c in corrupted)
    by_family = grouped((c.family, c.corruption) for c in corrupted)
    mpc = mean(by_corruption.values())
    worst_label = min((c.label for c in corrupted), key=cells.__getitem__, default="") if not math.isnan(mpc) else ""
    return Summary(
        model=model,
        p=clean,
        mpc=mpc,
        rpc=100 * mpc / clean if clean else math.nan,
        drop=clean - mpc,
        worst=cells[worst_label] if worst_label else math.nan,
        worst_label=worst_label,
        families={family: mean(by_corruption[c] for c in dict.fromkeys(names)) for family, names in by_family.items()},
        corruptions=by_corruption,
        severities={s: mean(cells[label] for label in by_severity[s]) for s in sorted(by_severity)},
        cells=cells,
        cells_done=sum(not math.isnan(v) for v in cells.values()),
        cells_planned=len(cells),
    )


def grouped(pairs: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    """Key -> the values that come with it; keys in the order in which they first occur."""
    found: dict[Key, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def mean(values: Iterable[float]) -> float:
    """Plain mean; NaN where any value is NaN or there is none."""
    found = list(values)
    return float(np.mean(found)) if found else math.nan
