"""Masks on feature grids whose corner cells lie on the corners of the image (sides 16 n + 1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def one_hot(labels: Tensor, slots: int) -> Tensor:
    """B x H x W integer labels -> float B x slots x H x W; slot 0 is background."""
    wanted = torch.arange(slots, device=labels.device, dtype=labels.dtype)[:, None, None]
    return (labels[:, None] == wanted).float()


def shares(labels: Tensor, slots: int, stride: int) -> Tensor:
    """Share of every slot about every cell of the grid, B x slots x h x w: the mean over the cell's surroundings."""
    hot = one_hot(labels, slots)
    return F.avg_pool2d(hot, stride + 1, stride, stride // 2, count_include_pad=False)


def owned(share: Tensor) -> Tensor:
    """Which cells stand for a slot when matching: bool, of the shape of `share` (B x slots x h x w).

    A cell belongs to the slot with the largest share; a slot that owns none that way, though it has pixels, gets the
    cells where its share is largest, so that small objects are not lost. A cell without any share belongs to no slot.
    """
    best = share.amax(1, keepdim=True)
    mine = (share >= best) & (best > 0)
    mine = mine & (mine.int().cumsum(1) == 1)  # ties go to the smaller slot
    peak = share.amax((2, 3), keepdim=True)
    lost = (~mine.any(-1).any(-1))[:, :, None, None] & (peak > 0)
    return torch.where(lost, share >= peak, mine)
