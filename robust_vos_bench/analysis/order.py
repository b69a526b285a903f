"""The order of models: the rank of each, and whether corruption changes the order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.intervals import LEVEL, Interval, Jackknife, holm


@dataclass(frozen=True)
class Rank:
    """Where a model stands, and where it may stand."""

    rank: int
    """1 + the number of models with a higher value."""
    low: int
    """1 + the number of models that are certainly better: never above `rank`."""
    high: int
    """The number of models that are not certainly worse, itself included: never below `rank`."""

    def __str__(self) -> str:
        span = "" if self.low == self.high == self.rank else f" ({self.low} to {self.high})"
        return f"{self.rank}{span}"


def ranks(jackknife: Jackknife, weights: NDArray[np.float64]) -> Mapping[int, Rank]:
    """Model index -> rank by a statistic (higher is better); models with missing cells have none.

    A model is certainly better than another where the 95 % interval of their paired difference says so, as `compare`
    prints it.
    """
    complete = _complete(jackknife, weights)
    found: dict[int, Rank] = {}
    for model in complete:
        others = [m for m in complete if m != model]
        tests = [jackknife.test(model, other, weights) for other in others]
        gaps = [gap for gap, _ in tests]
        certain = [p < 1 - LEVEL for _, p in tests]
        found[model] = Rank(
            rank=1 + sum(gap < 0 for gap in gaps),
            low=1 + sum(gap < 0 and sure for gap, sure in zip(gaps, certain)),
            high=len(complete) - sum(gap > 0 and sure for gap, sure in zip(gaps, certain)),
        )
    return found


@dataclass(frozen=True)
class OrderConsistency:
    """Whether clean scores tell which model is robust: Kendall's tau-b between the orders by P and by mPC."""

    tau: Interval
    """In -1..1; 1 where corruption does not change the order."""
    models: int


def order_consistency(jackknife: Jackknife) -> OrderConsistency:
    """Kendall's tau-b with its interval over videos; NaN for fewer than two complete models.

    The interval is what tau may be: pairs of models whose order is certain in both (all paired tests together at 5 %,
    Holm, because tau needs all of them) count as they are, all others once for and once against. So it contains tau,
    and it is wide where few orders are certain.
    """
    stats = jackknife.statistics
    unknown = Interval(math.nan, math.nan, math.nan)
    if "P" not in stats or "mPC" not in stats:
        return OrderConsistency(unknown, 0)
    clean, corrupted = stats["P"], stats["mPC"]
    complete = [m for m in _complete(jackknife, clean) if not math.isnan(jackknife.value(m, corrupted))]
    if len(complete) < 2:
        return OrderConsistency(unknown, len(complete))
    from scipy.stats import kendalltau  # half a second, for this one number

    values = [[jackknife.value(m, weights) for m in complete] for weights in (clean, corrupted)]
    tau = float(kendalltau(*values).statistic)
    pairs = list(itertools.combinations(complete, 2))
    tests = [jackknife.test(a, b, weights) for weights in (clean, corrupted) for a, b in pairs]
    adjusted = holm([p for _, p in tests])
    signs = [int(np.sign(gap)) * (p < 1 - LEVEL) for (gap, _), p in zip(tests, adjusted)]
    known = [one * other for one, other in zip(signs[: len(pairs)], signs[len(pairs) :])]
    # min and max: rounding must not put tau outside its interval.
    low = min((sum(known) - known.count(0)) / len(pairs), tau)
    high = max((sum(known) + known.count(0)) / len(pairs), tau)
    return OrderConsistency(unknown if math.isnan(tau) else Interval(tau, low, high), len(complete))


def _complete(jackknife: Jackknife, weights: NDArray[np.float64]) -> list[int]:
    models = range(len(jackknife.matrix.models))
    return [m for m in models if not math.isnan(jackknife.value(m, weights))]
