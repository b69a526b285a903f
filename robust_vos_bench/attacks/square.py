"""Square Attack (Andriushchenko et al., ECCV 2020) on frames: squares of extreme values, kept where they hurt. It asks
for hard masks alone, so that any model can be attacked, and catches models whose gradients tell nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.attacks.lattice import FrameBox

FIRST_SHARE = 0.8
"""Share of the picture that the first squares cover."""
HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of all queries after which the covered share is halved: AutoAttack's schedule of 10,000 queries."""


def share_at(query: int, queries: int) -> float:
    """Share of the picture that a square covers at a query."""
    share: float = FIRST_SHARE / 2 ** sum(query > at * queries for at in HALVED_AT)
    return share


def square(
    score: Callable[[Tensor], float], box: FrameBox, queries: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, float, bool]]:
    """(point, its score, whether it is the best so far) of every query; a lower score is better.

    The first point has vertical stripes; then squares are drawn at one place on all frames or on one, half and half.
    """
    count, _, height, width = box.lower.shape
    stripes = torch.from_numpy(rng.integers(0, 2, (count, 3, 1, width)).astype(bool)).to(box.lower.device)
    best = torch.where(stripes, box.upper, box.lower)
    lowest = score(best)
    yield best, lowest, True
    for query in range(1, queries):
        side = max(1, round(np.sqrt(share_at(query, queries) * height * width)))
        tall, wide = min(side, height), min(side, width)
        top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
        frames = slice(None) if rng.random() < 0.5 else slice(k := int(rng.integers(0, count)), k + 1)
        area = (frames, slice(None), slice(top, top + tall), slice(left, left + wide))
        up = torch.from_numpy(rng.integers(0, 2, (1, 3, 1, 1)).astype(bool)).to(box.lower.device)
        tried = best.clone()
        tried[area] = torch.where(up, box.upper[area], box.lower[area])
        if torch.equal(tried, best):
            continue
        found = score(tried)
        better = found < lowest
        if better:
            best, lowest = tried, found
        yield tried, found, better
