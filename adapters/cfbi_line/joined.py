"""A layer's input as the parts it would be joined from over channels, without making the joined map.

The first layers of the CFBI line read the same embeddings for every slot, and the previous frame's twice, inside the
slot's mask and outside. Only products with weights and sums of squares are ever asked of the joined map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..common.rows import BLOCK, channel_squares, from_rows, is_rows, pixel_rows


class Part(Protocol):
    """Some channels of the joined map, C in number; channels last on a CPU, no gradients."""

    channels: int

    def dense(self, slots: int) -> Tensor:
        """The part as it would be joined, slots x C x H x W."""
        ...

    def squares(self, slots: int) -> Tensor:
        """Sums of squares over H x W, slots x C x 1 x 1."""
        ...

    def add_product(self, rows: Tensor, weight: Tensor, beta: int) -> None:
        """rows * beta + product with weight (slots x outputs x C), in place; rows slots x (H W) x outputs."""
        ...


class Own:
    """A map for every slot, slots x C x H x W, or one that all share, 1 x C x H x W."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.channels = x.shape[1]

    def dense(self, slots: int) -> Tensor:
        """The map itself, once per slot."""
        return self.x.expand(slots, -1, -1, -1)

    def squares(self, slots: int) -> Tensor:
        """Sums of squares over H x W, slots x C x 1 x 1."""
        return channel_squares(self.x).expand(slots, -1, -1, -1)

    def add_product(self, rows: Tensor, weight: Tensor, beta: int) -> None:
        """rows * beta + product with weight, in place."""
        for slot, total in enumerate(rows):
            total.addmm_(pixel_rows(self.x)[slot if len(self.x) > 1 else 0], weight[slot].T, beta=beta)


class InsideOutside:
    """One map x, C x H x W, inside every slot's mask (C channels) and outside (C more); masks bool slots x H x W."""

    def __init__(self, x: Tensor, masks: Tensor) -> None:
        self.x = x
        self.masks = masks
        self.channels = 2 * len(x)

    def dense(self, slots: int) -> Tensor:
        """The map inside the mask, then outside, per slot."""
        inside = self.x * self.masks[:, None]
        return torch.cat([inside, self.x - inside], 1)

    def squares(self, slots: int) -> Tensor:
        """Sums of squares over H x W, slots x 2 C x 1 x 1."""
        rows, size = pixel_rows(self.x[None])[0], max(1, BLOCK // len(self.x))
        inside = self.masks.flatten(1)
        # Sums of both sides: a difference from the sum of all would not be 0 where a mask holds every pixel.
        chosen = torch.cat([inside, ~inside]).to(rows.dtype)
        total = torch.zeros(len(chosen), rows.shape[1], dtype=torch.float64)
        for block, columns in zip(rows.split(size), chosen.split(size, 1)):
            total += columns @ block.square()
        out: Tensor = total.float().unflatten(0, (2, -1)).transpose(0, 1).flatten(1)[:, :, None, None]
        return out

    def add_product(self, rows: Tensor, weight: Tensor, beta: int) -> None:
        """rows * beta + product with weight, in place: all pixels as on one side of the mask, others corrected."""
        pixels = pixel_rows(self.x[None])[0]
        for total, mask, kernel in zip(rows, self.masks.flatten(1), weight):
            inside, outside = kernel.split(len(self.x), 1)
            # All pixels as if they were on the side that holds more of them; the few others get the difference.
            if mask.sum() * 2 > len(mask):
                mask, inside, outside = ~mask, outside, inside
            total.addmm_(pixels, outside.T, beta=beta)
            chosen = mask.nonzero()[:, 0]
            if len(chosen):
                total.index_copy_(0, chosen, torch.addmm(total[chosen], pixels[chosen], (inside - outside).T))


class Joined:
    """The parts of a map of `slots` slots, in the order of its channels."""

    def __init__(self, parts: Sequence[Part], slots: int, size: tuple[int, int]) -> None:
        self.parts = parts
        self.slots = slots
        self.size = size

    def squares(self) -> Tensor:
        """Sums of squares over H x W, slots x C x 1 x 1."""
        return torch.cat([part.squares(self.slots) for part in self.parts], 1)

    def product(self, weight: Tensor) -> Tensor:
        """1 x 1 convolution, weight slots x outputs x C -> slots x outputs x H x W, channels last."""
        rows = weight.new_empty(self.slots, self.size[0] * self.size[1], weight.shape[1])
        kernels = weight.split([part.channels for part in self.parts], 2)
        for i, (part, kernel) in enumerate(zip(self.parts, kernels)):
            part.add_product(rows, kernel, min(i, 1))
        return from_rows(rows, self.size)


def join(parts: Sequence[Part], slots: int, like: Tensor) -> Tensor | Joined:
    """The parts joined over channels: lazily where maps (as `like` is) are rows on a CPU and nothing is trained."""
    if is_rows(like) and not torch.is_grad_enabled():
        return Joined(parts, slots, (like.shape[-2], like.shape[-1]))
    return torch.cat([part.dense(slots) for part in parts], 1)
