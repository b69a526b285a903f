"""The label encoder: a mask becomes what the filter shall say, how much each cell counts, and what attention copies."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from ..refiner.levels import conv3


class Labels(NamedTuple):
    """Of one mask, each 16 x h x w at stride 16."""

    target: Tensor
    """What the filter shall give."""
    weight: Tensor
    """Factor of the filter's errors."""
    copied: Tensor
    """Values of the attention."""


class Shrinking(nn.Module):
    """A residual block that halves the size; the shortcut is a 3 x 3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.conv2 = conv3(outputs, outputs, bias=False)
        self.downsample = nn.Conv2d(inputs, outputs, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H/2 x W/2."""
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.downsample(x))


class LabelEncoder(nn.Module):
    """Two branches after a common stem: `tm` for the target model (the filter), `tr` for the transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU())
        self.res1_tm, self.res2_tm = Shrinking(16, 32), Shrinking(32, 64)
        self.res1_tr, self.res2_tr = Shrinking(16, 32), Shrinking(32, 64)
        self.label_pred_tm = nn.Sequential(conv3(64, 16), nn.ReLU())
        self.samp_w_pred = conv3(64, 16)
        self.label_pred_tr = nn.Sequential(conv3(64, 16), nn.ReLU())

    def forward(self, mask: Tensor) -> Labels:
        """1 x 1 x H x W in 0..1, of a search region -> its labels, float32."""
        x = F.max_pool2d(self.conv_block(mask), 3, 2, 1)
        tm, tr = self.res2_tm(self.res1_tm(x)), self.res2_tr(self.res1_tr(x))
        found = (self.label_pred_tm(tm), self.samp_w_pred(tm), self.label_pred_tr(tr))
        return Labels(*(part[0].float().contiguous() for part in found))
