"""QDMN's parts beside MiVOS: the score of a mask, the gate by the last mask, and a pyramid before the decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..memory.blocks import conv3


class Score(nn.Module):
    """Quality assessment: memory features, resized to 24 x 24 -> one number an object, never negative."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv3(1024, 256)
        self.conv2 = conv3(256, 256)
        self.conv3 = conv3(256, 256)
        self.conv4 = nn.Conv2d(256, 256, 3, 2, 1)
        self.fc1 = nn.Linear(256 * 12 * 12, 1024)
        self.fc2 = nn.Linear(1024, 1)

    def forward(self, x: Tensor) -> Tensor:
        """k x 1024 x h x w -> k."""
        x = F.interpolate(x, (24, 24), mode="bilinear", align_corners=False)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.relu(conv(x))
        return F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))[:, 0]


class _Branch(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        kernel, padding = (1, 0) if dilation == 1 else (3, dilation)
        self.atrous_conv = nn.Conv2d(1024, 256, kernel, 1, padding, dilation, bias=False)
        self.bn = nn.BatchNorm2d(256)

    def forward(self, x: Tensor) -> Tensor:
        """N x 1024 x h x w -> N x 256 x h x w."""
        return F.relu(self.bn(self.atrous_conv(x)))


class ASPP(nn.Module):
    """Atrous spatial pyramid: 1 x 1, dilations 6, 12, 18, and the image's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.aspp1, self.aspp2 = _Branch(1), _Branch(6)
        self.aspp3, self.aspp4 = _Branch(12), _Branch(18)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(1024, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU()
        )
        self.conv1 = nn.Conv2d(1280, 1024, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(1024)

    def forward(self, x: Tensor) -> Tensor:
        """N x 1024 x h x w -> the same shape."""
        mean = self.global_avg_pool(x).expand(-1, -1, *x.shape[-2:])
        joined = torch.cat([self.aspp1(x), self.aspp2(x), self.aspp3(x), self.aspp4(x), mean], 1)
        return F.relu(self.bn1(self.conv1(joined)))
