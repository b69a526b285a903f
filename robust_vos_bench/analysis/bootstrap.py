"""Intervals by resampling videos: objects of one video are not independent, so they are drawn together.

Every model and condition sees the same draws, so differences between models, and between clean and corrupted, are
paired. A statistic that is a weighted mean of cells is linear in the videos' sums, which makes ten thousand draws of
twenty models and a hundred cells one matrix product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.matrix import ScoreMatrix

DRAWS = 10_000
LEVEL = 0.95
FEW = 10
"""With fewer videos than this, intervals are shown with a caution."""


@dataclass(frozen=True)
class Interval:
    """A value with its percentile interval; NaN where cells are missing."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return bool(self.low > 0 or self.high < 0)


def caution(videos: int) -> str:
    """The caution to print below intervals over so few videos; "" where there are enough."""
    few = f"Only {videos} video{'s' * (videos != 1)}: intervals are rough, too narrow rather than too wide."
    return few * (0 < videos < FEW)


def smallest_p(videos: int) -> float:
    """The smallest two-sided p that so many videos can show, which is that of a sign test where all videos agree.

    The bootstrap does not know this bound: where all videos agree, no draw crosses zero, however few videos there are.
    """
    return min(1.0, 2.0 ** (1 - videos))


def interval(value: float, draws: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Percentile interval of the draws around a value."""
    if np.isnan(value) or not draws.size or np.isnan(draws).any():
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def p_value(draws: NDArray[np.float64]) -> float:
    """Two-sided p of "no difference" from draws of a difference: twice the smaller tail, never exactly zero."""
    if not draws.size or np.isnan(draws).any():
        return float("nan")
    n = draws.size
    tail = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (n + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of many p values (order kept; NaN stays NaN and does not count)."""
    known = [(p, i) for i, p in enumerate(p_values) if not np.isnan(p)]
    adjusted = [float("nan")] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(sorted(known)):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[i] = running
    return adjusted


def condition_weights(matrix: ScoreMatrix, chosen: Sequence[int]) -> NDArray[np.float64]:
    """Weights over conditions of "mean over severities, then over corruptions" of the chosen ones; they sum to 1."""
    weights = np.zeros(len(matrix.conditions))
    names = [matrix.conditions[i].corruption for i in chosen]
    for i, name in zip(chosen, names):
        weights[i] = 1.0 / (names.count(name) * len(set(names)))
    return weights


def statistics(matrix: ScoreMatrix) -> dict[str, NDArray[np.float64]]:
    """The linear statistics of a robustness table as weights over conditions: P, mPC, drop, and `family:<name>`."""
    clean = [i for i, c in enumerate(matrix.conditions) if c.is_clean]
    bad = [i for i, c in enumerate(matrix.conditions) if not c.is_clean]
    found: dict[str, NDArray[np.float64]] = {}
    if clean:
        found["P"] = condition_weights(matrix, clean[:1])
    if bad:
        found["mPC"] = condition_weights(matrix, bad)
    if clean and bad:
        found["drop"] = found["P"] - found["mPC"]
    for family in dict.fromkeys(matrix.conditions[i].family for i in bad):
        found[f"family:{family}"] = condition_weights(matrix, [i for i in bad if matrix.conditions[i].family == family])
    return found


class Bootstrap:
    """Draws of every statistic of every model from one set of resampled videos.

    seed: draws are the same for the same seed and number of videos. Values are in points (0..100); without any object
    they are NaN.
    """

    def __init__(self, matrix: ScoreMatrix, draws: int = DRAWS, seed: int = 0, measure: str = "J&F") -> None:
        self.matrix = matrix
        videos = len(matrix.clusters)  # videos of one film are drawn together
        of = matrix.cluster_of
        values = {"J": matrix.j, "F": matrix.f, "J&F": matrix.jf}[measure]
        self._sums = np.zeros((*values.shape[:2], videos))
        for v in range(videos):
            self._sums[:, :, v] = 100 * values[:, :, of == v].sum(axis=2)
        self._sums[~matrix.complete] = np.nan
        self._sizes = np.bincount(of, minlength=videos).astype(np.float64)
        rng = np.random.Generator(np.random.PCG64(seed))
        if not videos:  # nothing to draw from: no interval and no p
            self._counts = np.zeros((0, 0))
            return
        self._counts = rng.multinomial(videos, np.full(videos, 1 / videos), size=draws).astype(np.float64)

    @cached_property
    def statistics(self) -> dict[str, NDArray[np.float64]]:
        """`statistics` of the matrix: name -> weights over conditions."""
        return statistics(self.matrix)

    def value(self, model: int, weights: NDArray[np.float64]) -> float:
        """The statistic on the videos as they are."""
        objects = self._sizes.sum()
        return float(self._linear(model, weights).sum() / objects) if objects else float("nan")

    def draws(self, model: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The statistic in every draw; NaN where a cell with weight is missing."""
        return (self._counts @ self._linear(model, weights)) / (self._counts @ self._sizes)

    def _linear(self, model: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        used = weights != 0
        result: NDArray[np.float64] = weights[used] @ self._sums[model][used]
        return result

    def interval(self, model: int, weights: NDArray[np.float64]) -> Interval:
        """Value and interval of one statistic of one model."""
        return interval(self.value(model, weights), self.draws(model, weights))

    def ratio(self, model: int, top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Interval:
        """Interval of 100 x top / bottom (rPC = mPC / P), paired within each draw."""
        below = self.draws(model, bottom)
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = 100 * self.draws(model, top) / below
            value = 100 * self.value(model, top) / np.float64(self.value(model, bottom))
        return interval(float(value), draws)

    def difference(self, a: int, b: int, weights: NDArray[np.float64]) -> tuple[Interval, float]:
        """Model a minus model b: paired interval and p, the latter never below what so few videos can show."""
        draws = self.draws(a, weights) - self.draws(b, weights)
        p = np.maximum(p_value(draws), smallest_p(len(self.matrix.clusters)))  # keeps NaN
        return interval(self.value(a, weights) - self.value(b, weights), draws), float(p)


@dataclass(frozen=True)
class Rank:
    """Where a model stands: shared with all whose paired interval with the group's leader includes zero."""

    rank: int
    low: int
    high: int
    """95 % interval of the rank over draws."""

    def __str__(self) -> str:
        span = "" if self.low == self.high == self.rank else f" ({self.low} to {self.high})"
        return f"{self.rank}{span}"


def ranks(bootstrap: Bootstrap, weights: NDArray[np.float64]) -> Mapping[int, Rank]:
    """Model index -> rank by a statistic (higher is better); models with missing cells have none."""
    complete = [m for m in range(len(bootstrap.matrix.models)) if not np.isnan(bootstrap.value(m, weights))]
    if not complete:
        return {}
    order = sorted(complete, key=lambda m: -bootstrap.value(m, weights))
    drawn = np.stack([bootstrap.draws(m, weights) for m in order])
    positions = np.stack([1 + (drawn > drawn[i]).sum(axis=0) for i in range(len(order))])
    low, high = np.quantile(positions, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1, method="closest_observation")
    found: dict[int, Rank] = {}
    leader, rank = order[0], 1
    for i, model in enumerate(order):
        if model != leader and bootstrap.difference(leader, model, weights)[0].excludes_zero:
            leader, rank = model, i + 1
        found[model] = Rank(rank, int(low[i]), int(high[i]))
    return found
