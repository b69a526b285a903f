"""The memory of SWEM: bases of constant number per object, fitted by weighted expectation-maximisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-6
"""Weight of an empty basis, and what keeps lengths from zero."""


@dataclass(frozen=True)
class Bases:
    """L bases per object and side; side 0 is the background of the object, side 1 the object."""

    keys: Tensor
    """k x 2 x C x L, not normalised."""
    values: Tensor
    """k x 2 x D x L."""
    weights: Tensor
    """k x 2 x 1 x L: what each basis has gathered so far. It only grows: old frames never fade."""

    @classmethod
    def empty(cls, keys: Tensor, width: int) -> Bases:
        """Bases that have seen nothing. keys: k x 2 x C x L. width: D."""
        k, sides, _, count = keys.shape
        return cls(keys, keys.new_zeros(k, sides, width, count), keys.new_full((k, sides, 1, count), TINY))

    def __len__(self) -> int:
        """Objects."""
        return len(self.keys)

    def objects(self, part: slice) -> Bases:
        """Those of some objects."""
        return Bases(self.keys[part], self.values[part], self.weights[part])

    def with_objects(self, more: Bases) -> Bases:
        """Those of more objects behind."""
        return Bases(
            torch.cat([self.keys, more.keys]),
            torch.cat([self.values, more.values]),
            torch.cat([self.weights, more.weights]),
        )


def unit(x: Tensor, axis: int) -> Tensor:
    """x over its length along an axis."""
    length: Tensor = torch.linalg.vector_norm(x, dim=axis, keepdim=True)
    return x / (length + TINY)


def update(old: Bases, key: Tensor, value: Tensor, masks: Tensor, iterations: int, tau: float) -> Bases:
    """Bases that have seen one more frame.

    key: C x hw. value: k x D x hw. masks: k x 2 x hw, how much each cell counts for background and object. Keys of the
    frame are normalised where cells are weighed, and not where they are assigned to bases (as the official code does).
    """
    directions = unit(key, 0).t()
    keys, weight = old.keys, masks[..., None]
    for left in range(iterations - 1, -1, -1):
        assigned = torch.softmax(key.t() @ unit(keys, 2) / tau, 3).mul_(weight)
        gathered = old.weights + assigned.sum(2, keepdim=True)
        keys = (old.weights * old.keys + key @ assigned) / gathered
        if left:
            likeness = directions @ unit(keys, 2)
            shares = likeness.sub_(likeness.amax((1, 3), keepdim=True)).div_(tau).exp_().sum(3)
            weight = (masks * (1 - shares / shares.sum(1, keepdim=True)))[..., None]
    values = (old.weights * old.values + value[:, None] @ assigned) / gathered
    return Bases(keys, values, gathered)


def read(banks: list[Bases], key: Tensor, top_l: int, tau: float) -> tuple[Tensor, Tensor]:
    """Compare the keys of a frame, C x hw, with all bases of some banks.

    Returns what was read, k x D x hw, and how a cell's best bases are shared between the sides, k x (2 top_l) x hw:
    of the 1, 2, ... top_l best of each side, the background's share of both sums, then the object's.
    """
    bases = torch.cat([bank.keys for bank in banks], 3)
    likeness = unit(bases, 2).transpose(2, 3) @ unit(key, 0)
    strength = likeness.sub_(likeness.amax((1, 2), keepdim=True)).div_(tau).exp_()
    best = strength.topk(top_l, 2).values.cumsum(2)
    background = best[:, 0] / (best[:, 0] + best[:, 1])
    values = torch.cat([bank.values for bank in banks], 3)
    total = strength.sum((1, 2))[:, None]
    found = (values @ strength).sum(1) / total
    return found, torch.cat([background, 1 - background], 1)
