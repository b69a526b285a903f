"""Head blocks of `aoc.lite` and `cfbi.lite`: the batch axis is sample x slot, so that one call serves a whole batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cfbi_line.blocks import GCT, IAGate
from ..common.rows import GroupNorm, scaled_conv
from .trunk import enlarged

GROUPS = 8
"""Groups of every norm in the heads; the official 32 would leave one channel per group."""


class ASPP(nn.Module):
    """The gated pyramid of the ensembler at stride 16: 1 x 1, 3 x 3 at dilation 2 and 4, image pooling."""

    def __init__(self, inputs: int, outputs: int, width: int = 48) -> None:
        super().__init__()
        self.GCT = GCT(inputs)
        self.branches = nn.ModuleList(
            nn.Conv2d(inputs, width, 1 if d == 0 else 3, 1, d, max(d, 1), bias=False) for d in (0, 2, 4)
        )
        self.pooled = nn.Conv2d(inputs, width, 1)
        self.norm = GroupNorm(GROUPS, 3 * width)
        self.project = nn.Conv2d(4 * width, outputs, 1, bias=False)
        self.out = GroupNorm(GROUPS, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """M x inputs x h x w -> M x outputs x h x w."""
        x = self.GCT(x)
        near = F.relu(self.norm(torch.cat([branch(x) for branch in self.branches], 1)))
        far = F.relu(self.pooled(x.mean((2, 3), keepdim=True))).expand(-1, -1, *x.shape[-2:])
        return F.relu(self.out(self.project(torch.cat([near, far], 1))))


class Finish(nn.Module):
    """From strides 16 and 8 of every slot, over the frame's stride 4, to logits: gates and dynamic layers as CFBI's.

    vector: length of a slot's vector. aware: the two gates also read what the other slots look like (AOC-Net).
    """

    def __init__(
        self, inputs: int, early: int, low: int, vector: int, aware: bool, width: int = 48, last: int = 32
    ) -> None:
        super().__init__()
        joined = inputs + early
        self.IA10 = IAGate(vector + (joined if aware else 0), joined)
        self.fuse = nn.Conv2d(joined, width, 1, bias=False)
        self.fuse_norm = GroupNorm(GROUPS, width)
        self.low = nn.Conv2d(low, last, 3, 1, 1)
        self.IA11 = IAGate(vector + (width if aware else 0), width)
        self.spread = nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False)
        self.conv1 = nn.Conv2d(width, last, 1, bias=False)
        self.bn1 = GroupNorm(GROUPS, last)
        self.conv2 = nn.Conv2d(last, last, 3, 1, 1, bias=False)
        self.bn2 = GroupNorm(GROUPS, last)
        self.IA_final_fg = nn.Linear(vector, last + 1)
        self.IA_final_bg = nn.Linear(vector, last + 1)
        self.aware = aware

    def _condition(self, x: Tensor, vector: Tensor, slots: int) -> Tensor:
        return torch.cat([vector, discrepancy(x, slots)], 1) if self.aware else vector

    def forward(self, x: Tensor, early: Tensor, low: Tensor, vector: Tensor, slots: int) -> Tensor:
        """Logits B x slots x h x w at stride 4.

        x: (B slots) x C at stride 16; early: (B slots) x C' at stride 8; low: B x C'' at stride 4; vector: (B slots)
        x V.
        """
        x = torch.cat([enlarged(x, early), early], 1)
        x = scaled_conv(x, self.fuse, self.IA10.factor(self._condition(x, vector, slots)))
        x = enlarged(F.relu(self.fuse_norm(x)), low)
        x = scaled_conv(self.spread(x), self.conv1, self.IA11.factor(self._condition(x, vector, slots)))
        x = x + self.low(low).repeat_interleave(slots, 0)
        x = F.relu(self.bn1(x))
        x = F.relu(self.bn2(self.conv2(x)) + x)
        logits: Tensor = classified(x, self.IA_final_fg(vector)).unflatten(0, (-1, slots))
        if slots == 1:
            return logits
        # background also gets the least background logit of the objects
        others = classified(x, self.IA_final_bg(vector)).unflatten(0, (-1, slots))[:, 1:].amin(1, keepdim=True)
        return torch.cat([logits[:, :1] + others, logits[:, 1:]], 1)


def classified(x: Tensor, filters: Tensor) -> Tensor:
    """Dynamic 1 x 1 layer: x M x C x h x w, filters M x (C weights and a bias) -> M x h x w."""
    out: Tensor = torch.baddbmm(filters[:, None, -1:], filters[:, None, :-1], x.flatten(2))[:, 0].unflatten(
        1, x.shape[-2:]
    )
    return out


def discrepancy(x: Tensor, slots: int) -> Tensor:
    """What the other slots of the same sample look like: their means summed; (B slots) x C x h x w -> (B slots) x C."""
    means = x.mean((2, 3)).unflatten(0, (-1, slots))
    out: Tensor = (means.sum(1, keepdim=True) - means).flatten(0, 1)
    return out
