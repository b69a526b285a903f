"""Robustness beyond the mean. Definitions and formulas: docs/metrics.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from robust_vos_bench.reports.bootstrap import Bootstrap, Interval, interval, statistics
from robust_vos_bench.reports.summary import Summary, mean

LOST = 0.1
"""An object is lost from the frame on after which its J never reaches this again."""
RECOVERED = 0.9
"""An object has recovered when its J is back at this share of what it was before the burst."""


def severity_area(summary: Summary, severities: Sequence[tuple[str, int, str]]) -> float:
    """Area under the severity curve, in points: clean counts as severity 0, the axis is scaled to 0..1.

    severities: (corruption, severity, condition label) of every corrupted condition. Mean over corruptions; NaN where
    a cell is missing or there is no clean score.
    """
    areas = []
    for name in dict.fromkeys(c for c, _, _ in severities):
        points = sorted((s, summary.cells[label]) for c, s, label in severities if c == name)
        x = np.array([0.0, *(s for s, _ in points)])
        y = np.array([summary.p, *(v for _, v in points)])
        areas.append(float(np.trapezoid(y, x) / x[-1]) if x[-1] else math.nan)
    return mean(areas)


def worst_corruption(summary: Summary) -> tuple[str, float]:
    """The corruption with the lowest mean over its severities; ("", NaN) where any is missing."""
    if not summary.corruptions or any(math.isnan(v) for v in summary.corruptions.values()):
        return "", math.nan
    name = min(summary.corruptions, key=lambda c: summary.corruptions[c])
    return name, summary.corruptions[name]


def worst_severity(summary: Summary) -> tuple[int, float]:
    """The severity with the lowest mean over corruptions; (0, NaN) where any is missing."""
    if not summary.severities or any(math.isnan(v) for v in summary.severities.values()):
        return 0, math.nan
    level = min(summary.severities, key=lambda s: summary.severities[s])
    return level, summary.severities[level]


def lost_at(j: Sequence[float]) -> int | None:
    """Index of the first scored frame from which J stays below `LOST` to the end; None where it never is lost."""
    below = np.asarray(j, float) < LOST
    if not below.size or not below[-1]:
        return None
    kept = np.flatnonzero(~below)
    return int(kept[-1]) + 1 if kept.size else 0


def share_lost(tracks: Iterable[Sequence[float]]) -> float:
    """Share of objects (0..1) that are lost before the video ends; NaN where there is none."""
    found = [lost_at(j) is not None for j in tracks]
    return float(np.mean(found)) if found else math.nan


@dataclass(frozen=True)
class Recovery:
    """What a burst of corruption leaves behind, for one object."""

    before: float
    """Mean J before the burst."""
    during: float
    after: float
    """Mean J after the burst."""
    frames: int | None
    """Frames after the burst until J is back at 90 % of `before`; None where it never is."""

    @property
    def ratio(self) -> float:
        """after / before: 1 is a full recovery."""
        return self.after / self.before if self.before else math.nan


def recovery(j: Sequence[float], start: int, end: int) -> Recovery:
    """Recovery of one object from a burst in frames start..end-1 (indices into `j`).

    Raises ValueError unless frames are left on both sides.
    """
    values = np.asarray(j, float)
    if not 0 < start < end < values.size:
        raise ValueError(f"a burst of frames {start}..{end - 1} leaves nothing before or after it in {values.size}")
    before, during, after = values[:start].mean(), values[start:end].mean(), values[end:]
    back = np.flatnonzero(after >= RECOVERED * before)
    return Recovery(float(before), float(during), float(after.mean()), int(back[0]) if back.size else None)


def stability(masks: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> dict[int, float]:
    """Object id -> mean IoU between the mask under corruption and the clean run's mask of the same frame.

    masks: (corrupted-run mask, clean-run mask) of every frame. Frames where both are empty count as 1. High stability
    with a low J means that the model is wrong in the same way on both.
    """
    sums: dict[int, float] = {}
    frames = 0
    first_seen: dict[int, int] = {}
    for corrupted, clean in masks:
        pair = clean.astype(np.int64).ravel() * 256 + corrupted.ravel()
        table = np.bincount(pair, minlength=65536).reshape(256, 256)
        rows, columns = table.sum(1), table.sum(0)
        for i in (int(i) for i in np.flatnonzero(rows + columns) if i):
            first_seen.setdefault(i, frames)
            sums[i] = sums.get(i, 0.0)
        for i in sums:
            union = rows[i] + columns[i] - table[i, i]
            sums[i] += float(table[i, i] / union) if union else 1.0
        frames += 1
    return {i: (total + first_seen[i]) / frames for i, total in sorted(sums.items())}


@dataclass(frozen=True)
class OrderConsistency:
    """Whether clean scores already tell which model is robust: Kendall's tau-b between the orders by P and by mPC."""

    tau: Interval
    """In -1..1; 1 where corruption does not change the order."""
    models: int


def order_consistency(boot: Bootstrap, max_draws: int = 1000) -> OrderConsistency:
    """Kendall's tau-b with its bootstrap interval over videos; NaN for fewer than two complete models."""
    stats = statistics(boot.matrix)
    count = len(boot.matrix.models)
    if "P" not in stats or "mPC" not in stats:
        return OrderConsistency(Interval(math.nan, math.nan, math.nan), 0)
    values = np.array([[boot.value(m, stats["P"]), boot.value(m, stats["mPC"])] for m in range(count)])
    complete = [m for m in range(count) if not np.isnan(values[m]).any()]
    if len(complete) < 2:
        return OrderConsistency(Interval(math.nan, math.nan, math.nan), len(complete))
    clean = np.stack([boot.draws(m, stats["P"])[:max_draws] for m in complete])
    corrupted = np.stack([boot.draws(m, stats["mPC"])[:max_draws] for m in complete])
    drawn = np.array([kendalltau(clean[:, d], corrupted[:, d]).statistic for d in range(clean.shape[1])])
    tau = float(kendalltau(values[complete, 0], values[complete, 1]).statistic)
    return OrderConsistency(interval(tau, drawn[~np.isnan(drawn)]), len(complete))
