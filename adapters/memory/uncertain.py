"""The decoder of AFB-URR: STM's, whose result is refined at stride 2 where objects are not told apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .blocks import ResBlock, conv3, enlarge, shared_conv
from .decoders import StmDecoder
from .network import TOGETHER

SMALL = 1e-8
AROUND = 7
"""Side of the neighbourhood, in cells of stride 2."""


class UncertainDecoder(StmDecoder):
    """Readout and query value of each channel (the background is one) -> probability of each channel.

    Channels meet once: their rough results are compared, and where the best two are close, features like those of a
    channel's neighbourhood correct its logits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.local_convFM = conv3(128, 32)
        self.local_ResMM = ResBlock(32, 32)
        self.local_pred2 = conv3(32, 2)

    def probabilities(self, readout: Tensor, value: Tensor, f8: Tensor, f4: Tensor, f2: Tensor) -> Tensor:
        """readout n x 512 x h x w; value, f8, f4, f2 of the frame, batch 1 -> n x 16h x 16w."""
        logits = []
        for part in readout.split(TOGETHER):
            joined = torch.cat([part, value.expand(len(part), -1, -1, -1)], 1)
            logits.append(enlarge(self.quarter(joined, f8, f4), 2))
        rough = rough_shares(torch.cat(logits))
        doubt = uncertainty(rough)
        found = []
        for own, shares in zip(logits, rough.split(TOGETHER)):
            refined = own + doubt * self.local(f2, shares[:, None])
            found.append(torch.softmax(enlarge(refined, 2), 1)[:, 1])
        return torch.cat(found)

    def local(self, f2: Tensor, shares: Tensor) -> Tensor:
        """f2 1 x 64 x H x W, shares n x 1 x H x W -> what is added to the logits in doubt, n x 2 x H x W."""
        near = around(f2 * shares) / (around(shares) + SMALL)
        x = self.local_ResMM(shared_conv(self.local_convFM, near, f2, shared_first=True))
        found: Tensor = self.local_pred2(F.relu(x))
        return strongest_around(shares) * found


def rough_shares(logits: Tensor) -> Tensor:
    """n x 2 x H x W -> n x H x W: a softmax over channels of what is a probability already (as published)."""
    return torch.softmax(torch.softmax(logits.float(), 1)[:, 1], 0)


def uncertainty(shares: Tensor) -> Tensor:
    """n x H x W -> H x W in 0..1: 1 where the two largest shares are equal."""
    best = shares.topk(2, 0).values
    return torch.exp(1 - best[0] / (best[1] + SMALL))


def around(x: Tensor) -> Tensor:
    """Mean over the neighbourhood of each cell, in which cells beyond the border count as zeros."""
    rows = F.avg_pool2d(x, (AROUND, 1), 1, (AROUND // 2, 0))
    return F.avg_pool2d(rows, (1, AROUND), 1, (0, AROUND // 2))


def strongest_around(x: Tensor) -> Tensor:
    """Maximum over the neighbourhood of each cell."""
    rows = F.max_pool2d(x, (AROUND, 1), 1, (AROUND // 2, 0))
    return F.max_pool2d(rows, (1, AROUND), 1, (0, AROUND // 2))
