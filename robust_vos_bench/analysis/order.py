"""Whether corruption changes the order of models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robust_vos_bench.analysis.bootstrap import Bootstrap, Interval, interval


@dataclass(frozen=True)
class OrderConsistency:
    """Whether clean scores tell which model is robust: Kendall's tau-b between the orders by P and by mPC."""

    tau: Interval
    """In -1..1; 1 where corruption does not change the order."""
    models: int


def order_consistency(boot: Bootstrap, max_draws: int = 1000) -> OrderConsistency:
    """Kendall's tau-b with its bootstrap interval over videos; NaN for fewer than two complete models."""
    stats = boot.statistics
    count = len(boot.matrix.models)
    if "P" not in stats or "mPC" not in stats:
        return OrderConsistency(Interval(math.nan, math.nan, math.nan), 0)
    values = np.array([[boot.value(m, stats["P"]), boot.value(m, stats["mPC"])] for m in range(count)])
    complete = [m for m in range(count) if not np.isnan(values[m]).any()]
    if len(complete) < 2:
        return OrderConsistency(Interval(math.nan, math.nan, math.nan), len(complete))
    clean = np.stack([boot.draws(m, stats["P"])[:max_draws] for m in complete])
    corrupted = np.stack([boot.draws(m, stats["mPC"])[:max_draws] for m in complete])
    from scipy.stats import kendalltau  # half a second, for this one number

    drawn = np.array([kendalltau(clean[:, d], corrupted[:, d]).statistic for d in range(clean.shape[1])])
    tau = float(kendalltau(values[complete, 0], values[complete, 1]).statistic)
    return OrderConsistency(interval(tau, drawn[~np.isnan(drawn)]), len(complete))
