"""Blocks of the STM line: pre-activation residual blocks, convolutional attention, fusion of mask and image features.

Several maps are the same for all objects of a frame. `shared_conv` lets a convolution over (own, shared) channels do
the shared half once.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def shared_conv(conv: nn.Conv2d, own: Tensor, shared: Tensor, shared_first: bool = False) -> Tensor:
    """`conv` over the channels of own (k x C x H x W) then shared (1 x D x H x W), whose part is computed once.

    shared_first: the shared channels come before the own ones.
    """
    if shared_first:
        ahead, behind = conv.weight.split([shared.shape[1], own.shape[1]], 1)
    else:
        behind, ahead = conv.weight.split([own.shape[1], shared.shape[1]], 1)
    how: Any = (conv.stride, conv.padding, conv.dilation)
    return F.conv2d(own, behind, None, *how) + F.conv2d(shared, ahead, conv.bias, *how)


class ResBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))), with a 3 x 3 projection of x where the width changes (STM).

    shared_first: of an input given in two parts the shared one comes first.
    """

    def __init__(self, inputs: int, outputs: int, shared_first: bool = False) -> None:
        super().__init__()
        self.shared_first = shared_first
        self.downsample = None if inputs == outputs else conv3(inputs, outputs)
        self.conv1 = conv3(inputs, outputs)
        self.conv2 = conv3(outputs, outputs)

    def forward(self, x: Tensor, shared: Tensor | None = None) -> Tensor:
        """N x inputs x H x W -> N x outputs x H x W. shared: 1 x C x H x W, the other channels of every input."""
        if shared is None:
            inner = self.conv1(F.relu(x))
            skip = x if self.downsample is None else self.downsample(x)
        elif self.downsample is None:
            raise ValueError("an input in two parts needs a block that changes the width")
        else:
            inner = shared_conv(self.conv1, F.relu(x), F.relu(shared), self.shared_first)
            skip = shared_conv(self.downsample, x, shared, self.shared_first)
        summed: Tensor = skip + self.conv2(F.relu(inner))
        return summed


class ChannelGate(nn.Module):
    """Channel attention of CBAM (Woo et al. 2018): one MLP over the average and over the maximum of each channel."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        narrow = channels // reduction
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels))

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        logits = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))
        return x * torch.sigmoid(logits)[:, :, None, None]


class _Conv(nn.Module):
    """A convolution under the name `conv`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x)
        return found


class SpatialGate(nn.Module):
    """Spatial attention of CBAM: a 7 x 7 convolution over the maximum and the mean of all channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = _Conv()

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.spatial(pooled))


class CBAM(nn.Module):
    """Channel attention, then spatial attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels)
        self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        gated: Tensor = self.SpatialGate(self.ChannelGate(x))
        return gated


class Fuser(nn.Module):
    """Mask features of each object and image features of the frame -> the value of the frame for each object."""

    def __init__(self, inputs: int = 1280, outputs: int = 512, shared_first: bool = False) -> None:
        super().__init__()
        self.block1 = ResBlock(inputs, outputs, shared_first)
        self.attention = CBAM(outputs)
        self.block2 = ResBlock(outputs, outputs)

    def forward(self, x: Tensor, f16: Tensor) -> Tensor:
        """x k x C x h x w, f16 1 x D x h x w with C + D inputs -> k x outputs x h x w."""
        x = self.block1(x, f16)
        fused: Tensor = self.block2(x + self.attention(x))
        return fused


class KeyProjection(nn.Module):
    """Features -> keys by one 3 x 3 convolution."""

    def __init__(self, inputs: int = 1024, width: int = 64) -> None:
        super().__init__()
        self.key_proj = conv3(inputs, width)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x width x h x w."""
        found: Tensor = self.key_proj(x)
        return found


class Key(nn.Module):
    """Features -> key by one 3 x 3 convolution, under the name of STM."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.Key = conv3(inputs, width)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x width x h x w."""
        found: Tensor = self.Key(x)
        return found


class KeyValue(nn.Module):
    """Features -> key and value by one 3 x 3 convolution each (STM)."""

    def __init__(self, inputs: int = 1024, key: int = 128, value: int = 512) -> None:
        super().__init__()
        self.Key = conv3(inputs, key)
        self.Value = conv3(inputs, value)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """N x inputs x h x w -> N x key x h x w, N x value x h x w."""
        return self.Key(x), self.Value(x)


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling with half-pixel centres."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
