"""The squared error of an enlarged score map against a mask, on the grid of the scores.

Enlarging is linear, so that the sum over pixels of v (up(s) - y)^2 is s A s - 2 s g + c, with A = up^T v up and
g = up^T v y. Bilinear enlarging reaches two neighbours along each axis: A couples a cell with the eight around it, and
four maps hold it. Nothing of the size of the frame is kept, and a step of the solver does not enlarge anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


@lru_cache(maxsize=32)
def _interpolation(small: int, large: int) -> Tensor:
    """large x small, float64: bilinear enlarging of one axis over centres of pixels."""
    with torch.inference_mode(False):  # it outlives the mode of whoever asks first
        unit = torch.eye(small, dtype=torch.float64)[None, :, :, None]
        return F.interpolate(unit, size=(large, 1), mode="bilinear", align_corners=False)[0, :, :, 0].T.contiguous()


def _couplings(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Per pixel of an axis (large x small), a cell's weight times itself, and times that of the next cell."""
    following = F.pad(weights[:, 1:], (0, 1))
    return weights * weights, weights * following


def pixel_weights(shown: Tensor) -> Tensor:
    """Weights of the pixels' errors: a small object counts as much as a tenth of the frame.

    shown: H x W, 0 or 1, where the object is. Returns H x W float32. An object that fills the frame leaves no
    background to weigh (the official code divides by zero there).
    """
    y = shown.float()
    total = y.sum()
    share = torch.where(total < 10, torch.full_like(total, 0.1), total / y.numel())
    if bool(share >= 1):
        return torch.ones_like(y)
    target = share.clamp(min=0.1)
    return torch.sqrt(target / share * y + (1 - target) / (1 - share) * (1 - y))


@dataclass(frozen=True)
class Errors:
    """The errors of n samples as functions of their scores n x h x w; everything float64."""

    coupled: Tensor
    """n x 4 x h x w: a cell with itself, with the next in its row, with the next in its column, and diagonally."""
    pulled: Tensor
    """n x h x w."""
    constant: Tensor
    """n."""

    @classmethod
    def of(cls, label: Tensor, weights: Tensor, grid: tuple[int, int]) -> Errors:
        """Of one sample. label, weights: H x W, of pixels; the weights multiply differences, not squares."""
        value = weights.double().square()
        y = label.double()
        rows, columns = (_interpolation(s, l).to(value.device) for s, l in zip(grid, value.shape))
        r, c = _couplings(rows), _couplings(columns)
        narrow = [value @ each for each in c]
        coupled = torch.stack([r[i].T @ narrow[j] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1))])
        pulled = rows.T @ ((value * y) @ columns)
        return cls(coupled[None], pulled[None], (value * y * y).sum()[None])

    @classmethod
    def joined(cls, parts: list[Errors]) -> Errors:
        """Of all samples."""
        return cls(
            torch.cat([p.coupled for p in parts]),
            torch.cat([p.pulled for p in parts]),
            torch.cat([p.constant for p in parts]),
        )

    def applied(self, scores: Tensor) -> Tensor:
        """A s, n x h x w."""
        own, right, below, across = self.coupled.unbind(1)
        out = own * scores
        out[:, :, :-1] += right[:, :, :-1] * scores[:, :, 1:]
        out[:, :, 1:] += right[:, :, :-1] * scores[:, :, :-1]
        out[:, :-1] += below[:, :-1] * scores[:, 1:]
        out[:, 1:] += below[:, :-1] * scores[:, :-1]
        corner = across[:, :-1, :-1]  # the weights of a square's two diagonals are equal
        out[:, :-1, :-1] += corner * scores[:, 1:, 1:]
        out[:, 1:, 1:] += corner * scores[:, :-1, :-1]
        out[:, :-1, 1:] += corner * scores[:, 1:, :-1]
        out[:, 1:, :-1] += corner * scores[:, :-1, 1:]
        return out

    def sums(self, scores: Tensor) -> Tensor:
        """The weighted squared error of each sample, n."""
        return (scores * (self.applied(scores) - 2 * self.pulled)).sum((1, 2)) + self.constant
