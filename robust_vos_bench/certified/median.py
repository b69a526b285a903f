"""Median smoothing: a lower bound of the median score of a changed input, from draws at the unchanged one.

Chiang et al., "Detection as Regression: Certified Object Detection with Median Smoothing", NeurIPS 2020. Where noise of
standard deviation sigma is added, a change of L2 norm R moves no probability p above Phi(Phi^-1(p) + R / sigma). So the
quantile Phi(-R / sigma) of the scores at the input is at most the median at any input within R of it. The quantile is
bounded by an order statistic, without any assumption on the scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile(ratio: float) -> float:
    """The quantile that bounds the median within R = ratio x sigma: Phi(-ratio)."""
    from scipy.stats import norm

    return float(norm.cdf(-ratio))


def order(draws: int, ratio: float, alpha: float) -> int:
    """The largest r whose r-th smallest of `draws` scores exceeds that quantile with probability at most alpha.

    P(Bin(draws, q) <= r - 1) <= alpha. 0: so few draws bound nothing.
    """
    from scipy.stats import binom

    q = quantile(ratio)
    r = int(binom.ppf(alpha, draws, q)) + 1  # the smallest k with P(<= k) >= alpha, and one above
    while r > 0 and binom.cdf(r - 1, draws, q) > alpha:
        r -= 1
    return r


def least_draws(ratio: float, alpha: float) -> int:
    """The fewest draws that bound anything: the smallest N with (1 - q)^N <= alpha."""
    return math.ceil(math.log(alpha) / math.log1p(-quantile(ratio)) - 1e-12)


def lower_bound(scores: Sequence[float], ratio: float, alpha: float) -> float | None:
    """Lower bound, right with probability 1 - alpha, of the median score of any input within ratio x sigma.

    scores: independent draws at the unchanged input. None where they are too few.
    """
    r = order(len(scores), ratio, alpha)
    return float(sorted(scores)[r - 1]) if r else None
