"""Where the codec's prediction failed near an object, masks are looked up in the nearest key frame."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.tensors import aggregate

RESIDUAL = 0.15
"""Sum over the channels (0..1 each) above which a cell counts as badly predicted."""
BLOCK = 1 << 22
"""Similarities held at a time (16 MiB)."""


def foreground(masks: Tensor) -> Tensor:
    """n x h x w -> h x w bool: cells that an object wins."""
    return aggregate(masks).argmax(0) != 0


def near(cells: Tensor) -> Tensor:
    """h x w bool, widened twice by squares of 9 x 9."""
    wide = F.max_pool2d(cells[None].float(), 9, 1, 4)
    return F.max_pool2d(wide, 9, 1, 4)[0] > 0


def patch(now: Tensor, hot: Tensor, key: Tensor, masks: Tensor) -> Tensor:
    """Masks for the hot cells by likeness to the key frame's foreground, zero elsewhere. n x h x w.

    now, key: features, 256 x h x w. hot: h x w bool. masks: of the key frame, n x h x w.
    """
    out = torch.zeros_like(masks)
    inside = foreground(masks)
    if not bool(hot.any()) or not bool(inside.any()):
        return out
    queries, keys, values = now[:, hot].t(), key[:, inside], masks[:, inside].t()
    squares = keys.square().sum(0)
    found = []
    for some in queries.split(max(1, BLOCK // keys.shape[1])):
        likeness = torch.softmax((2 * some @ keys - squares) / math.sqrt(len(keys)), 1)
        found.append(likeness @ values)
    out[:, hot] = torch.cat(found).t()
    return out
