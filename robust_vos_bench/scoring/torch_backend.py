"""The seven counts for batches of masks that lie on a device already, in torch; the same integers as `kernels`.

torch has no unsigned words, no logical shift and no population count, so 64 pixels are an int64, right shifts are
masked, and bits are counted in parallel. Everything is integer arithmetic: equal to the last bit on any device.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring.measures import half_widths, radius

_ODD = 0x5555555555555555
_PAIRS = 0x3333333333333333
_NIBBLES = 0x0F0F0F0F0F0F0F0F
_BYTES = 0x0101010101010101
_GATHER = 0x0102040810204080


def count_masks(pred: Tensor, truth: Tensor, objects: int) -> Tensor:
    """Counts of `measures.COUNTS` for objects 1..`objects`: int64 (N, K, 7) on the masks' device.

    pred, truth: uint8 (N, H, W) label masks on one device; labels above `objects` count as background. Memory: about
    twenty bit planes an object and mask, H x W / 8 bytes each; give batches that fit.
    """
    if pred.dtype != torch.uint8 or truth.dtype != torch.uint8 or pred.ndim != 3 or pred.shape != truth.shape:
        raise DataError(
            f"expected two uint8 (N, H, W) tensors of one shape, got {pred.dtype} {tuple(pred.shape)} and "
            f"{truth.dtype} {tuple(truth.shape)}"
        )
    height, width = int(pred.shape[1]), int(pred.shape[2])
    half = half_widths(radius(height, width))
    a, b = pack(pred, objects), pack(truth, objects)
    edge_a, edge_b = boundary(a, width), boundary(b, width)
    columns = [a, b, a & b, edge_a, edge_b, edge_a & dilate(edge_b, half), edge_b & dilate(edge_a, half)]
    return torch.stack([bit_count(planes) for planes in columns], dim=-1)


def pack(masks: Tensor, objects: int) -> Tensor:
    """uint8 (N, H, W) labels -> int64 (N, K, H, S) bit planes of objects 1..K; S holds one spare zero word."""
    n, height, width = masks.shape
    words = (width + 63) // 64 + 1
    wide = torch.zeros((n, 1, height, words * 64), dtype=torch.uint8, device=masks.device)
    wide[:, 0, :, :width] = masks
    labels = torch.arange(1, objects + 1, dtype=torch.uint8, device=masks.device)
    planes = (wide == labels[None, :, None, None]).view(torch.uint8)
    # Eight bytes of 0 or 1 become one byte: the product moves bit i of the result to bit 56 + i.
    gathered = (planes.view(torch.int64) * _GATHER) >> 56
    return gathered.to(torch.uint8).view(torch.int64)


def bit_count(planes: Tensor) -> Tensor:
    """Set bits of each (H, S) plane: int64 of the leading shape."""
    x = planes - ((planes >> 1) & _ODD)
    x = (x & _PAIRS) + ((x >> 2) & _PAIRS)
    x = (x + (x >> 4)) & _NIBBLES
    return (((x * _BYTES) >> 56) & 0xFF).sum(dim=(-2, -1))


def boundary(planes: Tensor, width: int) -> Tensor:
    """Boundary maps of (..., H, S) planes: the official `seg2bmap`, see `bits.boundary`."""
    right = _right_neighbours(planes)
    below = torch.zeros_like(planes)
    below[..., :-1, :] = planes[..., 1:, :]
    out = (planes ^ right) | (planes ^ below) | (planes ^ _right_neighbours(below))
    out[..., -1, :] = (planes ^ right)[..., -1, :]
    word, bit = (width - 1) // 64, _signed(1 << ((width - 1) % 64))
    last = (planes ^ below)[..., word] & bit
    last[..., -1] = 0
    out[..., word] = (out[..., word] & ~bit) | last
    return out


def dilate(planes: Tensor, half: NDArray[np.int64]) -> Tensor:
    """Dilation of (..., H, S) planes by the disk, half widths `half` (see `bits.dilate`); spare words may hold bits."""
    r = len(half) - 1
    height = planes.shape[-2]
    spare = (r + 63) // 64
    wide = torch.nn.functional.pad(planes, (spare, spare, r, r))
    out = torch.zeros_like(wide[..., r : r + height, :])
    reach = 0
    for dy in range(r, -1, -1):
        while reach < half[dy]:
            step = min(2 * reach + 1, int(half[dy]) - reach, 63)
            reach += step
            wide = wide | _shift_up(wide, step) | _shift_down(wide, step)
        for start in {r - dy, r + dy}:
            out |= wide[..., start : start + height, :]
    return out[..., spare : out.shape[-1] - spare]


def _shift_up(planes: Tensor, s: int) -> Tensor:
    """Every pixel `s` (1..63) columns to the right."""
    out = planes << s
    out[..., 1:] |= _logical(planes[..., :-1], 64 - s)
    return out


def _shift_down(planes: Tensor, s: int) -> Tensor:
    """Every pixel `s` (1..63) columns to the left."""
    out = _logical(planes, s)
    out[..., :-1] |= planes[..., 1:] << (64 - s)
    return out


def _right_neighbours(planes: Tensor) -> Tensor:
    """At each pixel, the value of its right neighbour."""
    return _shift_down(planes, 1)


def _logical(planes: Tensor, s: int) -> Tensor:
    """Right shift by `s` (1..63) that brings in zeros."""
    return (planes >> s) & ((1 << (64 - s)) - 1)


def _signed(word: int) -> int:
    """A 64-bit pattern as the int64 with that pattern."""
    return word - (1 << 64) if word >> 63 else word
