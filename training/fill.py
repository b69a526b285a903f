"""Filling the hole that an object leaves in its picture, so that the object can move away from it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 7
MARGIN = 4
"""Pixels by which the hole is wider than the object: its edge has left traces in the picture."""


def filled(images: Tensor, holes: Tensor, texture: Tensor) -> Tensor:
    """Pictures B x 3 x H x W with what lies in `holes` (bool B x H x W) replaced.

    Colours come from around the hole (pull-push over a pyramid), fine detail from `texture` (pictures of the same
    shape), because a smooth patch would tell where an object has been.
    """
    reach = 2 * MARGIN + 1
    wide = F.max_pool2d(holes.float()[:, None], (reach, 1), 1, (MARGIN, 0))
    wide = F.max_pool2d(wide, (1, reach), 1, (0, MARGIN))
    weights, sums = [1 - wide], [images * (1 - wide)]
    for _ in range(LEVELS):
        weights.append(F.avg_pool2d(weights[-1], 2, ceil_mode=True))
        sums.append(F.avg_pool2d(sums[-1], 2, ceil_mode=True))
    colour = sums[-1] / weights[-1].clamp_min(1e-6)
    for weight, total in zip(weights[-2::-1], sums[-2::-1]):
        coarse = F.interpolate(colour, total.shape[-2:], mode="bilinear", align_corners=False)
        colour = torch.where(weight > 1e-6, total / weight.clamp_min(1e-6), coarse)
    small = F.avg_pool2d(texture, 8)
    detail = texture - F.interpolate(small, texture.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(wide > 0, (colour + 0.6 * detail).clamp(0, 1), images)
