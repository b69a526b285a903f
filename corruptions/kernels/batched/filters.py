"""Linear filters on batches; the same sums in the same order as `kernels.filters`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..filters import disk_parts, gaussian_kernel, line_taps
from .border import HEAD_START, padded, rows_of, truncated


def gaussian_blur(frames: Tensor, sigma: float) -> Tensor:
    """`kernels.filters.gaussian_blur` of every frame."""
    half = gaussian_kernel(float(sigma)).tolist()
    radius = len(half) - 1
    source = rows_of(padded(frames, radius, radius, radius, radius)).short()
    height, width = frames.shape[1], 3 * frames.shape[2]
    rows = half[0] * source[:, radius : radius + height].float()
    for k in range(1, radius + 1):
        above, below = (source[:, radius + step : radius + step + height] for step in (-k, k))
        rows += (above + below).float() * half[k]
    return truncated(_across(rows, half, width)).reshape(frames.shape)


def _across(rows: Tensor, half: Sequence[float], width: int) -> Tensor:
    """The horizontal half of a separable filter of `half` (from the middle outwards), with the head start."""
    offset = 3 * (len(half) - 1)
    total = half[0] * rows[..., offset : offset + width] + HEAD_START
    for k in range(1, len(half)):
        left, right = (rows[..., offset + step : offset + step + width] for step in (-3 * k, 3 * k))
        total += (left + right) * half[k]
    return total


def motion_blur(frames: Tensor, radius: float, sigma: float, angles: Sequence[float]) -> Tensor:
    """`kernels.filters.motion_blur` of every frame, each at its own angle in degrees."""
    if len(set(angles)) > 1:
        return torch.cat([motion_blur(one[None], radius, sigma, [angle]) for one, angle in zip(frames, angles)])
    height, width = frames.shape[1], frames.shape[2]
    dy, dx, weights = line_taps(radius, sigma, angles[0], (height, width))
    top, bottom, left, right = (max(side, 0) for side in (max(dy), -min(dy), max(dx), -min(dx)))
    source = rows_of(padded(frames, top, bottom, left, right))
    total = torch.full((frames.shape[0], height, 3 * width), HEAD_START, device=frames.device)
    for y, x, weight in zip(dy, dx, np.array(weights, np.float32).tolist()):
        row, column = top - y, 3 * (left - x)
        total += source[:, row : row + height, column : column + 3 * width].float() * weight
    return truncated(total).reshape(frames.shape)


def disk_blur(frames: Tensor, radius: int, alias: float) -> Tensor:
    """`kernels.filters.disk_blur` of every frame: integer column sums, a small Gaussian, and single taps."""
    reach, half, extra = disk_parts(int(radius), float(alias))
    vertical, across = half[0].tolist(), half[1].tolist()
    blur = len(across) - 1
    margin = radius + blur
    source = rows_of(padded(frames, margin, margin, margin, margin, "reflect"))
    height, width = frames.shape[1], 3 * frames.shape[2]
    sums = torch.nn.functional.pad(source.cumsum(1, dtype=torch.int32), (0, 0, 1, 0))
    tall, wide = height + 2 * blur, width + 6 * blur
    total = torch.zeros((frames.shape[0], tall, wide), dtype=torch.int32, device=frames.device)
    for k, half_height in enumerate(reach.tolist()):
        strip = sums[..., 3 * (k - radius + margin - blur) :][..., :wide]
        lower, upper = margin - blur + half_height + 1, margin - blur - half_height
        total += strip[:, lower : lower + tall] - strip[:, upper : upper + tall]
    rows = vertical[0] * total[:, blur : blur + height].float()
    for k in range(1, blur + 1):
        above, below = (total[:, blur + step : blur + step + height] for step in (-k, k))
        rows += (above + below).float() * vertical[k]
    result = _across(rows, across, width)
    for y, x in np.argwhere(extra):
        tap = source[:, y : y + height, 3 * x : 3 * x + width]
        result += tap.float() * float(extra[y, x])
    return truncated(result).reshape(frames.shape)


def mean_blur(frames: Tensor, side: int) -> Tensor:
    """Mean over a square of `side` pixels (odd), border mirrored; rounded to the nearest level."""
    reach = side // 2
    source = rows_of(padded(frames, reach, reach, reach, reach, "reflect")).int()
    height, width = frames.shape[1], 3 * frames.shape[2]
    rows = sum((source[:, k : k + height] for k in range(1, side)), source[:, :height])
    total = sum((rows[..., 3 * k : 3 * k + width] for k in range(1, side)), rows[..., :width])
    return (total.double() / side**2).round_().to(torch.uint8).reshape(frames.shape)
