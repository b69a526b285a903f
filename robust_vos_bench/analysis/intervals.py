"""Intervals over videos: objects of one video are not independent, so videos are left out, one at a time.

The jackknife over videos gives the standard error of any smooth statistic, and Student's t with one degree of freedom
fewer than there are videos makes an interval of it. With few videos that covers far better than the percentiles of a
bootstrap, which are too narrow (docs/metrics.md has the coverage of both). Nothing is drawn. Differences between
models, and between clean and corrupted, are paired: all statistics leave out the same video.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.matrix import ScoreMatrix

LEVEL = 0.95
FEW = 10
"""With fewer videos than this, intervals are shown with a caution."""


@dataclass(frozen=True)
class Interval:
    """A value with its interval, which contains it; NaN where cells are missing or there is one video only."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return bool(self.low > 0 or self.high < 0)


def caution(videos: int) -> str:
    """The caution to print below intervals over so few videos; "" where there are enough."""
    few = f"Only {videos} video{'s' * (videos != 1)}: trust differences between models more than the scores themselves."
    return few * (0 < videos < FEW)


def smallest_p(videos: int) -> float:
    """The smallest two-sided p that so many videos can show, which is that of a sign test where all videos agree.

    Student's t does not know this bound: it takes the differences of videos for normal, however few there are.
    """
    return min(1.0, 2.0 ** (1 - videos))


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
    bad = [i for i, c in enumerate(matrix.conditions) if not c.is_clean and not c.is_stored]
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


Transform = tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], Callable[[float], float]]
"""A monotone scale on which an interval is made, and the way back."""


def _logit(points: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(points) - np.log(100 - points))


def _expit(value: float) -> float:
    return 100 / (1 + math.exp(-value)) if value > -700 else 0.0


PLAIN: Transform = (lambda values: values, lambda value: value)
SCORE: Transform = (_logit, _expit)
"""For scores, which lie in 0..100 and are skewed near its ends: symmetric in the logit, never outside the range."""


def t_interval(
    value: float,
    left_out: NDArray[np.float64],
    scale: Transform = PLAIN,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Jackknife interval of a value: value +- t x standard error on the given scale, cut to what is possible.

    left_out: the statistic without each video, (videos,). NaN for a single video and where cells are missing.
    """
    if math.isnan(value) or np.isnan(left_out).any() or len(left_out) < 2:
        return Interval(float(value), math.nan, math.nan)
    there, back = scale
    centre, replicas = float(there(np.array(value))), there(left_out)
    if not np.isfinite(replicas).all() or not math.isfinite(centre):  # a perfect score, or none: no scale reaches it
        return t_interval(value, left_out, bounds=bounds)
    reach = _quantile(len(left_out)) * standard_error(replicas)
    # Rounding on the way there and back must not put the value outside its interval.
    low, high = min(back(centre - reach), value), max(back(centre + reach), value)
    return Interval(float(value), max(low, bounds[0]), min(high, bounds[1]))


def standard_error(left_out: NDArray[np.float64]) -> float:
    """Jackknife standard error of a statistic from its values without each video."""
    n = len(left_out)
    return float(np.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum()))


def p_value(value: float, left_out: NDArray[np.float64]) -> float:
    """Two-sided p of "it is zero", by Student's t; NaN for a single video and where cells are missing."""
    if math.isnan(value) or np.isnan(left_out).any() or len(left_out) < 2:
        return math.nan
    error = standard_error(left_out)
    if error == 0:
        return 0.0 if value else 1.0
    from scipy.special import stdtr

    return float(2 * stdtr(len(left_out) - 1, -abs(value) / error))


def _quantile(videos: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(videos - 1, (1 + LEVEL) / 2))


def _bounds(weights: NDArray[np.float64]) -> tuple[float, float]:
    """The least and the largest value, in points, of a statistic of scores with these weights."""
    return 100 * float(weights[weights < 0].sum()), 100 * float(weights[weights > 0].sum())


class Jackknife:
    """Every statistic of every model, on all videos and without each of them.

    Values are in points (0..100); without any object they are NaN.
    """

    def __init__(self, matrix: ScoreMatrix, measure: str = "J&F") -> None:
        self.matrix = matrix
        videos = len(matrix.clusters)  # videos of one film are left out together
        of = matrix.cluster_of
        values = {"J": matrix.j, "F": matrix.f, "J&F": matrix.jf}[measure]
        self._sums = np.zeros((*values.shape[:2], videos))
        for v in range(videos):
            self._sums[:, :, v] = 100 * values[:, :, of == v].sum(axis=2)
        self._sums[~matrix.complete] = np.nan
        self._sizes = np.bincount(of, minlength=videos).astype(np.float64)

    @cached_property
    def statistics(self) -> dict[str, NDArray[np.float64]]:
        """`statistics` of the matrix: name -> weights over conditions."""
        return statistics(self.matrix)

    def value(self, model: int, weights: NDArray[np.float64]) -> float:
        """The statistic on the videos as they are."""
        objects = self._sizes.sum()
        return float(self._by_video(model, weights).sum() / objects) if objects else math.nan

    def left_out(self, model: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The statistic without each video, (videos,); NaN where a cell with weight is missing."""
        sums = self._by_video(model, weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((sums.sum() - sums) / (self._sizes.sum() - self._sizes))

    def _by_video(self, model: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        used = weights != 0
        result: NDArray[np.float64] = weights[used] @ self._sums[model][used]
        return result

    def interval(self, model: int, weights: NDArray[np.float64]) -> Interval:
        """Value and interval of one statistic of one model; of a mean score (no negative weight) within 0..100."""
        scale = SCORE if (weights >= 0).all() else PLAIN
        return t_interval(self.value(model, weights), self.left_out(model, weights), scale, _bounds(weights))

    def ratio(self, model: int, top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Interval:
        """Interval of 100 x top / bottom (rPC = mPC / P); both leave out the same video."""
        with np.errstate(divide="ignore", invalid="ignore"):
            left_out = 100 * self.left_out(model, top) / self.left_out(model, bottom)
            value = float(100 * self.value(model, top) / np.float64(self.value(model, bottom)))
        return t_interval(value, left_out, bounds=(0, math.inf))

    def difference(self, a: int, b: int, weights: NDArray[np.float64]) -> tuple[Interval, float]:
        """Model a minus model b: paired interval and p, the latter never below what so few videos can show."""
        value, left_out = self._difference(a, b, weights)
        reach = 100 * float(np.abs(weights).sum())
        found = t_interval(value, left_out, bounds=(-reach, reach))
        if math.isnan(value):
            return found, math.nan
        videos = len(self.matrix.clusters)
        return found, max(p_value(value, left_out), smallest_p(videos)) if videos > 1 else 1.0

    def test(self, a: int, b: int, weights: NDArray[np.float64]) -> tuple[float, float]:
        """Model a minus model b, and its p by Student's t; p is 1 where nothing can be told."""
        value, left_out = self._difference(a, b, weights)
        p = p_value(value, left_out)
        return value, 1.0 if math.isnan(p) else p

    def _difference(self, a: int, b: int, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = self.value(a, weights) - self.value(b, weights)
        return value, self.left_out(a, weights) - self.left_out(b, weights)
