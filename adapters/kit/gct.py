"""Blocks of the CFBI line of decoders (CFBI, RPCM, AOC-Net): channel gates, gated bottlenecks, gated ASPP.

The batch axis is the object slot: background first, then one slot an object. Parameter names are the official ones.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def channel_squares(x: Tensor) -> Tensor:
    """Sums of squares over H x W: N x C x H x W -> N x C x 1 x 1."""
    if _is_rows(x):
        return torch.stack([_block_sums(image)[1] for image in x]).float()[:, :, None, None]
    return torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True).square()


def _is_rows(x: Tensor) -> bool:
    """Whether x is channels last on a CPU, where PyTorch's own reductions over H x W are slow or inexact."""
    return x.stride(1) == 1 and x.device.type == "cpu"


def _block_sums(image: Tensor) -> tuple[Tensor, Tensor]:
    """Sums and sums of squares of C x H x W, channels last, over H x W: float64 (C,); blocks stay in the cache."""
    sums, squares = torch.zeros(2, len(image), dtype=torch.float64)
    for block in image.permute(1, 2, 0).flatten(0, 1).split(256):
        sums += block.sum(0)
        squares += block.square().sum(0)
    return sums, squares


class GroupNorm(nn.GroupNorm):
    """Group norm that is as exact with channels last as without.

    PyTorch's channels-last kernel sums squares naively in float32: at 480p its result is off by up to 1e-4, and a
    decoder of fifty such norms by 2e-3.
    """

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape and memory format."""
        if not _is_rows(x):
            return super().forward(x)
        groups, each = self.num_groups, x.shape[1] // self.num_groups
        moments = torch.stack([torch.stack(_block_sums(image)) for image in x], 1)
        mean, square = moments.unflatten(2, (groups, each)).sum(3) / (each * x.shape[2] * x.shape[3])
        slope = (square - mean.square() + self.eps).rsqrt().repeat_interleave(each, 1) * self.weight
        offset = self.bias - mean.repeat_interleave(each, 1) * slope
        return torch.addcmul(offset.float()[:, :, None, None], x, slope.float()[:, :, None, None])


class GCT(nn.Module):
    """Gated channel transformation (Yang et al. 2020): channels compete through their energies."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.eps = eps

    def gate(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """N x C x H x W (times `scale`, N x C x 1 x 1, where given) -> the factor of each channel, N x C x 1 x 1."""
        squares = channel_squares(x)
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


def scaled_conv(x: Tensor, conv: nn.Conv2d, scale: Tensor) -> Tensor:
    """`conv(x * scale)` with scale N x C x 1 x 1: the channels' factors go into the weights, not into the map.

    conv: without bias; 1 x 1 of any stride, or any other without groups.
    """
    if conv.kernel_size == (1, 1):
        if conv.stride != (1, 1):
            x = x[:, :, :: conv.stride[0], :: conv.stride[1]]
        return scaled_product(x, conv.weight.flatten(1) * scale.flatten(1)[:, None])
    maps = [
        F.conv2d(x[n : n + 1], conv.weight * scale[n], None, conv.stride, conv.padding, conv.dilation)
        for n in range(len(x))
    ]
    return torch.cat(maps)


def scaled_product(x: Tensor, weight: Tensor, plus: Tensor | None = None) -> Tensor:
    """1 x 1 convolution with weights of its own for every slot, in the memory format of x.

    x: N x C x H x W. weight: N x outputs x C. plus: a summand that this function returned, may be overwritten.
    """
    height, width = x.shape[-2:]
    if x.stride(1) == 1:  # channels last: pixels are rows
        pixels = x.permute(0, 2, 3, 1).reshape(len(x), height * width, -1)
        transposed = weight.transpose(1, 2)
        if plus is None:
            rows = torch.bmm(pixels, transposed)
        else:
            rows = plus.permute(0, 2, 3, 1).flatten(1, 2).baddbmm_(pixels, transposed)
        return rows.unflatten(1, (height, width)).permute(0, 3, 1, 2)
    columns = x.flatten(2)
    rows = torch.bmm(weight, columns) if plus is None else plus.flatten(2).baddbmm_(weight, columns)
    return rows.unflatten(2, (height, width))


class GCTBottleneck(nn.Module):
    """Residual bottleneck with group norm (32 groups) behind a GCT; the shortcut leaves from before the GCT."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        width = outputs // 4
        self.GCT1 = GCT(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = GroupNorm(32, width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = GroupNorm(32, width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = GroupNorm(32, outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), GroupNorm(32, outputs))

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """N x inputs x H x W -> N x outputs x H/stride x W/stride.

        scale: N x inputs x 1 x 1 that multiplies x, without a pass over it (the factor of an `IAGate`).
        """
        gate = self.GCT1.gate(x, scale)
        y = scaled_conv(x, self.conv1, gate if scale is None else gate * scale)
        y = F.relu(self.bn1(y), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        if self.downsample is not None:
            conv, norm = self.downsample
            y += norm(conv(x) if scale is None else scaled_conv(x, cast(nn.Conv2d, conv), scale))
        elif scale is not None:
            y.addcmul_(x, scale)
        else:
            y += x
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
        return F.relu(self.bn(scaled_conv(x, self.atrous_conv, self.GCT.gate(x))), inplace=True)


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
        return F.relu(self.bn1(self.conv1(self.GCT(torch.cat(branches, 1)))), inplace=True)
