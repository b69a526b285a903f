"""DenseNet-121 (Huang et al. 2017) up to stride 16, with torchvision's parameter names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..common.tensors import IMAGENET_MEAN, IMAGENET_STD

GROWTH = 32


class _Layer(nn.Module):
    """Norm, ReLU, 1 x 1; norm, ReLU, 3 x 3: `GROWTH` channels more."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * GROWTH, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * GROWTH)
        self.conv2 = nn.Conv2d(4 * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x (inputs + GROWTH) x h x w."""
        y = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(y)))], 1)


def _block(inputs: int, count: int) -> nn.Sequential:
    block = nn.Sequential()
    for i in range(count):
        block.add_module(f"denselayer{i + 1}", _Layer(inputs + i * GROWTH))
    return block


class _Transition(nn.Module):
    """Half the channels and half the size."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x inputs/2 x h/2 x w/2."""
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)


class DenseNet(nn.Module):
    """Three dense blocks; normalises its image itself."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.norm0 = nn.BatchNorm2d(64)
        self.denseblock1 = _block(64, 6)
        self.transition1 = _Transition(256)
        self.denseblock2 = _block(128, 12)
        self.transition2 = _Transition(512)
        self.denseblock3 = _block(256, 24)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 x 3 x H x W in 0..1 -> features of stride 16 (1024), 8 (512) and 4 (256 channels)."""
        x = self.norm0(self.conv0((image - self.mean) / self.std))
        f4 = self.denseblock1(F.max_pool2d(F.relu(x), 3, 2, 1))
        f8 = self.denseblock2(self.transition1(f4))
        return self.denseblock3(self.transition2(f8)), f8, f4
