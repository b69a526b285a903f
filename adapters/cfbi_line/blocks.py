"""Blocks of the decoders of the CFBI line: channel gates, gated bottlenecks, gated ASPP, the layer that reads maps.

The batch axis is the object slot: background first, then one slot per object. Parameter names are the official ones.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..common.rows import (
    GroupNorm,
    affine_relu_,
    channel_squares,
    is_rows,
    pointwise,
    scaled_conv,
)
from .joined import Joined


class GCT(nn.Module):
    """Gated channel transformation (Yang et al. 2020): channels compete through their energies."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.eps = eps

    def gate(self, x: Tensor | Joined, scale: Tensor | None = None) -> Tensor:
        """N x C x H x W (times `scale`, N x C x 1 x 1, where given) -> the factor of each channel, N x C x 1 x 1."""
        squares = x.squares() if isinstance(x, Joined) else channel_squares(x)
        return self.gate_of(squares if scale is None else squares * scale.square())

    def gate_of(self, squares: Tensor) -> Tensor:
        """Sums of squares over H x W, N x C x 1 x 1 -> the factor of each channel, same shape."""
        energy = (squares + self.eps).sqrt() * self.alpha
        norm = (energy.square().mean(1, keepdim=True) + self.eps).sqrt()
        return 1 + torch.tanh(energy * self.gamma / norm + self.beta)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        return x * self.gate(x)


class IAGate(nn.Module):
    """Instance-level attention (CFBI): a vector of each slot scales the channels of its map by 1 + tanh(linear)."""

    def __init__(self, vector: int, channels: int) -> None:
        super().__init__()
        self.IA = nn.Linear(vector, channels)

    def factor(self, vector: Tensor) -> Tensor:
        """Vector N x V -> the factor of each channel, N x C x 1 x 1."""
        return (1 + torch.tanh(self.IA(vector)))[:, :, None, None]

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """x N x C x H x W, vector N x V -> N x C x H x W."""
        return x * self.factor(vector)


class GCTBottleneck(nn.Module):
    """Residual bottleneck with group norm (officially 32 groups) behind a GCT; the shortcut starts before the GCT."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1, groups: int = 32) -> None:
        super().__init__()
        width = outputs // 4
        self.GCT1 = GCT(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = GroupNorm(groups, width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = GroupNorm(groups, width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = GroupNorm(groups, outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), GroupNorm(groups, outputs)
            )

    def forward(self, x: Tensor | Joined, scale: Tensor | None = None) -> Tensor:
        """N x inputs x H x W -> N x outputs x H/stride x W/stride.

        scale: N x inputs x 1 x 1 that multiplies x, without a pass over it (the factor of an `IAGate`). A `Joined`
        needs a scale, and a layer of stride 1 that changes the number of channels.
        """
        gate = self.GCT1.gate(x, scale)
        inner = gate if scale is None else gate * scale
        if isinstance(x, Joined):
            return self._from_parts(x, inner, scale)
        y = self.bn2.relu(self.conv2(self.bn1.relu(scaled_conv(x, self.conv1, inner))))
        y = pointwise(y, self.conv3)
        if self.downsample is None:
            return self._add(y, x, scale)
        conv = cast(nn.Conv2d, self.downsample[0])
        return self._add_projected(y, conv(x) if scale is None else scaled_conv(x, conv, scale))

    def _from_parts(self, x: Joined, inner: Tensor, scale: Tensor | None) -> Tensor:
        if self.downsample is None or scale is None:
            raise ValueError("a joined input needs a scale and a projecting shortcut")
        # One product makes the first convolution and the shortcut.
        weights = [
            conv.weight.flatten(1) * factor.flatten(1)[:, None]
            for conv, factor in ((self.conv1, inner), (cast(nn.Conv2d, self.downsample[0]), scale))
        ]
        both = x.product(torch.cat(weights, 1))
        y, shortcut = both.split([self.conv1.out_channels, self.conv3.out_channels], 1)
        y = self.bn2.relu(self.conv2(self.bn1.relu(y)))
        return self._add_projected(pointwise(y, self.conv3), shortcut)

    def _add(self, y: Tensor, x: Tensor, scale: Tensor | None) -> Tensor:
        """relu(bn3(y) + x * scale)."""
        if is_rows(y) and is_rows(x) and not torch.is_grad_enabled():
            return affine_relu_(y, *self.bn3.line(y), x, None if scale is None else scale.flatten(1))
        y = self.bn3(y)
        if scale is not None:
            y.addcmul_(x, scale)
        else:
            y += x
        return F.relu(y, inplace=True)

    def _add_projected(self, y: Tensor, shortcut: Tensor) -> Tensor:
        """relu(bn3(y) + the norm of the shortcut)."""
        assert self.downsample is not None
        norm = cast(GroupNorm, self.downsample[1])
        if is_rows(y) and is_rows(shortcut) and not torch.is_grad_enabled():
            (slope, offset), (other_slope, other_offset) = self.bn3.line(y), norm.line(shortcut)
            return affine_relu_(y, slope, offset + other_offset, shortcut, other_slope)
        y = self.bn3(y)
        y += norm(shortcut)
        return F.relu(y, inplace=True)


class _Branch(nn.Module):
    """One dilated branch of the gated ASPP."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.GCT = GCT(inputs)
        kernel = 1 if dilation == 1 else 3
        padding = 0 if dilation == 1 else dilation
        self.atrous_conv = nn.Conv2d(inputs, outputs, kernel, 1, padding, dilation, bias=False)
        self.bn = GroupNorm(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H x W."""
        return self.bn.relu(scaled_conv(x, self.atrous_conv, self.GCT.gate(x)))


class GCTASPP(nn.Module):
    """ASPP of the decoder: four gated branches (1 x 1; 3 x 3 at dilation 6, 12, 18) and image pooling, 512 -> 256."""

    def __init__(self, inputs: int = 512, width: int = 128, outputs: int = 256) -> None:
        super().__init__()
        self.aspp1 = _Branch(inputs, width, 1)
        self.aspp2 = _Branch(inputs, width, 6)
        self.aspp3 = _Branch(inputs, width, 12)
        self.aspp4 = _Branch(inputs, width, 18)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, width, 1, bias=False), nn.ReLU()
        )
        self.GCT = GCT(5 * width)
        self.conv1 = nn.Conv2d(5 * width, outputs, 1, bias=False)
        self.bn1 = GroupNorm(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H x W."""
        branches = [self.aspp1(x), self.aspp2(x), self.aspp3(x), self.aspp4(x)]
        branches.append(self.global_avg_pool(x).expand(-1, -1, *x.shape[-2:]))
        x = torch.cat(branches, 1)
        return self.bn1.relu(scaled_conv(x, self.conv1, self.GCT.gate(x)))


class PreHead(nn.Module):
    """The layer that reads the matching maps; 64 channels in CFBI."""

    def __init__(self, inputs: int, outputs: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        self.bn = GroupNorm(outputs // 4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """slots x inputs x h x w -> slots x outputs x h x w."""
        return self.bn.relu(self.conv(x))
