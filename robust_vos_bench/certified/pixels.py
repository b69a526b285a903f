"""SegCertify: a label for each pixel that no change within the radius moves, or none (Fischer et al., ICML 2021).

The label of a pixel is chosen by its first draws; the others test whether its probability exceeds tau. Holm's procedure
holds the chance of any wrong claim, over all pixels of all frames, at alpha. A pixel without a claim abstains, and
counts as the adversary would have it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SELECT = 10
"""Draws that choose the label, and are not used again."""
TAU = 0.75


def radius(sigma: float, tau: float = TAU) -> float:
    """L2 norm within which a certified pixel keeps its label: sigma Phi^-1(tau)."""
    from scipy.stats import norm

    return float(sigma * norm.ppf(tau))


def p_values(tested: int, tau: float = TAU) -> NDArray[np.float64]:
    """By number of votes, 0 to `tested`: P(Bin(tested, tau) >= votes)."""
    from scipy.stats import binom

    return np.asarray(binom.sf(np.arange(tested + 1) - 1, tested, tau), np.float64)


def holm(counts: NDArray[np.int64], p: NDArray[np.float64], alpha: float) -> int:
    """Hypotheses with at least so many votes are rejected by Holm's step-down procedure.

    counts: how many hypotheses have 0, 1, ... votes; p: their p-values, falling. Returns one more than the most votes
    where none is rejected. Equal p-values are decided one after the other, which Holm's order leaves free: all of them
    fall where the first does, as the bar only rises.
    """
    total, passed = int(counts.sum()), 0
    least = len(counts)
    for votes in range(len(counts) - 1, -1, -1):
        if counts[votes] == 0:
            continue
        if p[votes] > alpha / (total - passed):
            break
        least, passed = votes, passed + int(counts[votes])
    return least


def least_draws(hypotheses: int, alpha: float, tau: float = TAU) -> int:
    """The fewest draws, those that choose the label included, with which any pixel can be certified."""
    return SELECT + math.ceil(math.log(alpha / hypotheses) / math.log(tau) - 1e-12)


def certified_j(
    truth: NDArray[np.bool_], label: NDArray[np.bool_], claimed: NDArray[np.bool_], void: NDArray[np.bool_]
) -> float:
    """The lowest J of one object in one frame that the claims leave: (H, W) each.

    truth: its true pixels; label: where its id is the chosen label; claimed: where the label holds; void: does not
    count. A pixel that abstains is lost inside the object and false outside of it. 1 where nothing can be there.
    """
    counts = ~void
    held = label & claimed
    inside = int((truth & held & counts).sum())
    possible = int(((truth | held | ~claimed) & counts).sum())
    return inside / possible if possible else 1.0
