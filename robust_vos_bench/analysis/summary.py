"""The numbers of a robustness table, from cell means; nothing is filled in or averaged over what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from robust_vos_bench.analysis.matrix import ScoreMatrix


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
    """One summary a model, in the order of the run. measure: "J&F", "J" or "F"."""
    means = 100 * matrix.cell_means(measure)
    return [_summary(matrix, model, means[a]) for a, model in enumerate(matrix.models)]


def _summary(matrix: ScoreMatrix, model: str, row: np.ndarray) -> Summary:
    cells = {c.label: float(v) for c, v in zip(matrix.conditions, row)}
    clean = next((cells[c.label] for c in matrix.conditions if c.is_clean), math.nan)
    corrupted = [c for c in matrix.conditions if not c.is_clean]
    by_corruption = {
        name: mean(cells[c.label] for c in corrupted if c.corruption == name)
        for name in dict.fromkeys(c.corruption for c in corrupted)
    }
    family_of = {c.corruption: c.family for c in corrupted}
    families = {
        family: mean(v for name, v in by_corruption.items() if family_of[name] == family)
        for family in dict.fromkeys(family_of.values())
    }
    severities = {
        s: mean(cells[c.label] for c in corrupted if c.severity == s) for s in sorted({c.severity for c in corrupted})
    }
    mpc = mean(by_corruption.values())
    labels = [c.label for c in corrupted]
    worst_label = min(labels, key=lambda label: cells[label]) if labels and not math.isnan(mpc) else ""
    return Summary(
        model=model,
        p=clean,
        mpc=mpc,
        rpc=100 * mpc / clean if clean else math.nan,
        drop=clean - mpc,
        worst=cells[worst_label] if worst_label else math.nan,
        worst_label=worst_label,
        families=families,
        corruptions=by_corruption,
        severities=severities,
        cells=cells,
        cells_done=sum(not math.isnan(v) for v in cells.values()),
        cells_planned=len(cells),
    )


def mean(values: Iterable[float]) -> float:
    """Plain mean; NaN where any value is NaN or there is none."""
    found = list(values)
    return float(np.mean(found)) if found else math.nan
