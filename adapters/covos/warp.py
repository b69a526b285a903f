"""Moving maps along motion vectors: each cell takes what lay where its vectors point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Motion:
    """Vectors of one frame at the resolution of a map (h x w), of the past (list 0) and of the future (list 1)."""

    x: Tensor
    """2 x h x w float32, in cells of the map."""
    y: Tensor
    offsets: Tensor
    """2 x h x w uint8: how many frames away the picture meant is; 0: the list is not used."""

    @property
    def intra(self) -> Tensor:
        """h x w bool: cells without a vector."""
        return (self.offsets == 0).all(0)


def round_away(x: Tensor) -> Tensor:
    """To whole numbers, halves away from zero (`torch.round` takes the even one)."""
    return torch.trunc(x + torch.copysign(torch.full_like(x, 0.5), x))


def warped(motion: Motion, frame: int, last: int, state: Callable[[int], Tensor], blank: Tensor) -> Tensor:
    """A cell of one list takes the map that it points into, of two lists the mean, of none zero. C x h x w.

    frame: whose motion it is. last: of the video; references beyond its ends are those at its ends. state: the map of a
    frame, C x h x w. blank: zeros of that shape, which are filled.
    """
    height, width = motion.offsets.shape[-2:]
    if not len(blank):
        return blank
    rows = torch.arange(height, device=motion.y.device)[:, None]
    columns = torch.arange(width, device=motion.x.device)
    used = motion.offsets > 0
    for side, sign in ((0, -1), (1, 1)):
        y = round_away(rows + motion.y[side]).clamp_(0, height - 1)
        x = round_away(columns + motion.x[side]).clamp_(0, width - 1)
        places = y.mul_(width).add_(x).long().flatten()
        share = torch.where(used[1 - side], 0.5, 1.0)
        found = motion.offsets[side].flatten().bincount().nonzero().flatten().tolist()
        for offset in found:
            if offset:
                source = state(min(max(frame + sign * offset, 0), last)).flatten(1).index_select(1, places)
                here = torch.where(motion.offsets[side] == offset, share, 0.0)
                blank += source.unflatten(1, (height, width)).mul_(here)
    return blank
