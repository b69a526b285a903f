"""The networks of FRTM: a ResNet of ImageNet, untouched, and the refiner, the one part that was trained off line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..common.tensors import IMAGENET_MEAN, IMAGENET_STD
from ..encoders.resnet import BasicBlock, Bottleneck, stage
from ..refiner.levels import Levels
from ..refiner.projection import Projection

Depth = Literal["resnet101", "resnet18"]
WIDTH = 64
"""Channels of all levels of the refiner."""


class ResNet(nn.Module):
    """torchvision's ResNet without its classifier. Maps are named one higher than its stages, as in the checkpoints."""

    def __init__(self, depth: Depth) -> None:
        super().__init__()
        block: type[BasicBlock | Bottleneck] = Bottleneck if depth == "resnet101" else BasicBlock
        blocks = (3, 4, 23, 3) if depth == "resnet101" else (2, 2, 2, 2)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = [64, *(width * block.expansion for width in (64, 128, 256, 512))]
        for i, count in enumerate(blocks):
            made = stage(block, widths[i], 64 << i, count, stride=1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", made)
        self.channels = {f"layer{i + 2}": widths[i + 1] for i in reversed(range(4))}
        """Of each map, the deepest first."""

    def forward(self, image: Tensor, deepest: int = 5) -> dict[str, Tensor]:
        """RGB 0..255, N x 3 x H x W -> "layer2" (stride 4) to "layer5" (stride 32), or fewer; sizes are rounded up."""
        scale = image.new_tensor([1 / 255 / std for std in IMAGENET_STD])[:, None, None]
        offset = image.new_tensor([-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD)])[:, None, None]
        x = F.relu(self.bn1(self.conv1(image * scale + offset)))
        x = F.max_pool2d(x, 3, 2, 1)
        maps = {}
        for i in range(2, deepest + 1):
            x = getattr(self, f"layer{i - 1}")(x)
            maps[f"layer{i}"] = x
        return maps


class Refiner(Levels):
    """Scores of one object on the grid of layer4 -> its logits at the size of the frame."""

    def __init__(self, channels: Mapping[str, int]) -> None:
        super().__init__(channels, dict.fromkeys(channels, WIDTH), 1, False)
        self.project = Projection(WIDTH)

    def logits(self, scores: Tensor, reduced: Mapping[str, Tensor], size: tuple[int, int], direct: bool) -> Tensor:
        """scores: 1 x 1 x h x w. reduced: of the frame (`Levels.reduced`). direct: see `Projection`. Returns H x W."""
        out: Tensor = self.project(self.refined(scores, reduced), size, direct)[0, 0]
        return out


class FRTM(nn.Module):
    """Backbone and refiner; `refiner.*` is what the authors' files hold."""

    def __init__(self, depth: Depth) -> None:
        super().__init__()
        self.feature_extractor = ResNet(depth)
        self.refiner = Refiner(self.feature_extractor.channels)

    @property
    def channels(self) -> int:
        """Of the map that target models look at."""
        return self.feature_extractor.channels["layer4"]


def tensor_of(images: Tensor) -> Tensor:
    """RGB uint8 N x H x W x 3 -> float32 N x 3 x H x W in 0..255."""
    return images.permute(0, 3, 1, 2).to(torch.float32)
