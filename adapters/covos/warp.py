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


class Warp:
    """Where the cells of one frame look: a cell of one list takes the map that it points into, of two the mean.

    frame: whose motion it is. last: of the video; references beyond its ends are those at its ends.
    """

    def __init__(self, motion: Motion, frame: int, last: int) -> None:
        height, width = motion.offsets.shape[-2:]
        rows = torch.arange(height, device=motion.y.device)[:, None]
        columns = torch.arange(width, device=motion.x.device)
        used = motion.offsets > 0
        self.parts: list[tuple[int, Tensor, Tensor]] = []
        """(frame that is looked into; hw places in it; h x w shares of what is found)."""
        for side, sign in ((0, -1), (1, 1)):
            y = round_away(rows + motion.y[side]).clamp_(0, height - 1)
            x = round_away(columns + motion.x[side]).clamp_(0, width - 1)
            places = y.mul_(width).add_(x).long().flatten()
            share = torch.where(used[1 - side], 0.5, 1.0)
            for offset in motion.offsets[side].flatten().bincount().nonzero().flatten().tolist():
                if offset:
                    here = torch.where(motion.offsets[side] == offset, share, 0.0)
                    self.parts.append((min(max(frame + sign * offset, 0), last), places, here))

    def of(self, state: Callable[[int], Tensor], blank: Tensor) -> Tensor:
        """C x h x w. state: the map of a frame, C x h x w. blank: zeros of that shape, which are filled."""
        if len(blank):
            for frame, places, share in self.parts:
                found = state(frame).flatten(1).index_select(1, places)
                blank += found.unflatten(1, share.shape).mul_(share)
        return blank
