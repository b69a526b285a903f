"""A 3 x 3 convolution of an enlarged map, computed before enlarging."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .rows import is_rows


@lru_cache(maxsize=64)
def _weights(small: int, large: int, mode: str) -> Tensor:
    """large x small: what `F.interpolate` with aligned corners does to one axis."""
    unit = torch.eye(small)[None, :, :, None]
    other = {"align_corners": True, "mode": mode}
    return F.interpolate(unit, size=(large, 1), **other)[0, :, :, 0].T.contiguous()  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _taps(small: int, large: int, mode: str) -> Tensor:
    """large x 3 x small: the enlarged axis, moved by -1, 0, 1, with zeros from beyond its ends."""
    weights = _weights(small, large, mode)
    return torch.stack([F.pad(weights, (0, 0, 1, 1))[tap : tap + large] for tap in range(3)], 1)


def enlarged_conv(x: Tensor, weight: Tensor, size: tuple[int, int], mode: str, plus: Tensor) -> Tensor:
    """plus + conv(interpolate(x)): kernel 3 x 3, padding 1, corners aligned.

    x: N x C x h x w. weight: O x C x 3 x 3. plus: N x O x H x W, may be overwritten. mode: "bilinear" or "bicubic".
    Enlarging is linear: on a CPU the nine products of the kernel are taken on the small grid, and enlarging, moving
    and adding them is two products with narrow matrices. At four times the side that is a sixth of the operations.
    """
    if not is_rows(plus) or torch.is_grad_enabled() or not plus.permute(0, 2, 3, 1).is_contiguous():
        return plus + F.conv2d(F.interpolate(x, size=size, mode=mode, align_corners=True), weight, padding=1)
    outputs, (height, width) = len(weight), x.shape[-2:]
    rows = _taps(height, size[0], mode).flatten(1)
    columns = _taps(width, size[1], mode).transpose(1, 2).flatten(1)
    kernels = weight.permute(2, 1, 3, 0).flatten(2)  # row of the kernel x C x (column of the kernel, O)
    for image, total in zip(x, plus):
        pixels = image.permute(1, 2, 0).reshape(height * width, -1)
        wide = x.new_empty(3, height, size[1], outputs)
        for tap in range(3):
            products = (pixels @ kernels[tap]).view(height, width * 3, outputs)
            torch.matmul(columns, products, out=wide[tap])
        total.permute(1, 2, 0).view(size[0], -1).addmm_(rows, wide.view(3 * height, -1))
    return plus


def enlarged_means(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Means over H x W of `interpolate(x)`, N x C, without making it."""
    rows, columns = (_weights(s, l, mode).mean(0).to(x) for s, l in zip(x.shape[-2:], size))
    return (x * rows[:, None] * columns).sum((2, 3))
