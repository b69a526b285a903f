"""From the shallowest level of the refiner to scores at the size of the frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .levels import conv3, interpolated


class Projection(nn.Module):
    """Two convolutions, each behind an enlarging. width: channels of the shallowest level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = conv3(width, width // 2)
        self.conv2 = conv3(width // 2, 1)

    def forward(self, x: Tensor, size: tuple[int, int], direct: bool = True) -> Tensor:
        """N x width x h x w -> N x 1 x size. direct: the second enlarging ends at `size`; else at 4h x 4w, and a
        bilinear one follows."""
        x = F.relu(self.conv1(bicubic(x, _twice(x))), inplace=True)
        if direct:
            return conv_of_enlarged(x, self.conv2, lambda maps: bicubic(maps, size))
        return conv_of_enlarged(x, self.conv2, lambda maps: interpolated(bicubic(maps, _twice(maps)), size))


def bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    """N x C x h x w -> N x C x H x W over centres of pixels."""
    return F.interpolate(x, size, mode="bicubic", align_corners=False)


def _twice(x: Tensor) -> tuple[int, int]:
    return 2 * x.shape[-2], 2 * x.shape[-1]


def conv_of_enlarged(x: Tensor, conv: nn.Conv2d, enlarged: Callable[[Tensor], Tensor]) -> Tensor:
    """conv(enlarged(x)) for a 3 x 3 convolution to one map with padding 1. x: N x C x h x w; returns N x 1 x H x W.

    Enlarging is linear and alike for all channels: the nine products of the kernel are taken on the small grid, and
    nine maps are enlarged instead of all channels.
    """
    products = F.conv2d(x, conv.weight[0].permute(1, 2, 0).reshape(9, -1, 1, 1))
    taps = F.pad(enlarged(products), (1, 1, 1, 1))
    height, width = taps.shape[-2] - 2, taps.shape[-1] - 2
    shifted = [taps[:, i, i // 3 : i // 3 + height, i % 3 : i % 3 + width] for i in range(9)]
    scores = torch.stack(shifted).sum(0)[:, None]
    return scores if conv.bias is None else scores + conv.bias
