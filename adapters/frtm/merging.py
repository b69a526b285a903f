"""From the probabilities of single objects to shares of pixels and to labels."""

from __future__ import annotations

import torch
from torch import Tensor

from robust_vos_bench.models.argmax import strongest

_EPS = 1e-7


def shares(probabilities: Tensor) -> Tensor:
    """k x H x W of objects alone -> (1 + k) x H x W that sum to 1, the background first.

    The background is the least of the complements. The softmax is over odds p / (1 - p), not over their logarithms (as
    official): all but the largest of them is next to nothing.
    """
    p = probabilities.clamp(_EPS, 1 - _EPS)
    every = torch.cat([(1 - p).amin(0, keepdim=True), p])
    return torch.softmax(every / (1 - every), 0)


def winners(merged: Tensor) -> Tensor:
    """(1 + k) x H x W -> k x H x W: the share of an object where it is the largest one, else 0."""
    best = strongest(merged)
    objects = torch.arange(1, len(merged), device=merged.device)[:, None, None]
    return merged[1:] * (best == objects)


def labels(masks: Tensor) -> Tensor:
    """What `winners` gave -> H x W of 0..k: an object is seen where its share is more than a half, roughly.

    One object: exactly so. Several: the shares are merged once more.
    """
    return (masks[0] > 0.5).long() if len(masks) == 1 else strongest(shares(masks))
