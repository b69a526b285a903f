"""TBD's layers under their official names, and its decoder."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Module):
    """A convolution under the name `conv`."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x outputs x h x w."""
        found: Tensor = self.conv(x)
        return found


class ConvRelu(Conv):
    """A convolution and a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x outputs x h x w."""
        return F.relu(self.conv(x))


class Deconv(nn.Module):
    """A transposed convolution under the name `deconv`."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(256, 2, kernel, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x 256 x h x w -> N x 2 x stride h x stride w."""
        found: Tensor = self.deconv(x)
        return found


class Attention(nn.Module):
    """A convolution, then attention over channels and over space."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.conv1 = Conv(width, width, 3)
        self.conv2 = nn.Sequential(ConvRelu(width, width, 1), Conv(width, width, 1))
        self.conv3 = nn.Sequential(ConvRelu(2, 16, 3), Conv(16, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        """N x width x h x w -> the same shape."""
        x = self.conv1(x)
        mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self.conv2(mean) + self.conv2(largest))
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.conv3(pooled))


class Decoder(nn.Module):
    """Scores and the last masks -> two logits a pixel; features of the image enter at three sizes."""

    def __init__(self) -> None:
        super().__init__()
        for level, (inputs, extra) in enumerate(((1024, 12), (512, 2), (256, 2)), start=1):
            self.add_module(f"conv{level}", ConvRelu(inputs, 256, 1))
            self.add_module(f"blend{level}", ConvRelu(256 + extra, 256, 3))
            self.add_module(f"cbam{level}", Attention())
            self.add_module(f"deconv{level}", Deconv(6 if level == 3 else 4, 4 if level == 3 else 2))

    def sides(self, features: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        """Features of stride 16, 8 and 4 -> 256 channels each; the same for all objects."""
        return [self._part("conv", level)(feature) for level, feature in enumerate(features, start=1)]

    def forward(self, sides: list[Tensor], scores: Tensor) -> Tensor:
        """Scores with the last masks, 1 x 12 x h x w -> 1 x 2 x 16h x 16w."""
        x = scores
        for level, side in enumerate(sides, start=1):
            blended = self._part("blend", level)(torch.cat([side, x], 1))
            x = self._part("deconv", level)(self._part("cbam", level)(blended))
        return x

    def _part(self, name: str, level: int) -> Any:
        return self.get_submodule(f"{name}{level}")
