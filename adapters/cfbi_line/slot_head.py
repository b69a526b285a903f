"""How the decoders of CFBI, CFBI+, AOC-Net and RPCM end: the backbone's skip, gated convolutions, dynamic layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..common.enlarged import enlarged_conv, enlarged_means
from ..common.rows import GroupNorm, channel_squares, scaled_product
from .blocks import GCT, IAGate


class SlotHead(nn.Module):
    """From every slot's map of 256 channels to logits at stride 4. The batch axis is the slot, background first.

    A base class, because the parameters have the official names; subclasses call `add_head` after the layers before it.
    """

    def add_head(self, vector: int, low: int, aware: bool = False) -> None:
        """Make the layers.

        vector: length of a slot's vector. low: channels of the backbone's map at stride 4. aware: the gates also read
        what the other slots look like (AOC-Net).
        """
        self.aware = aware
        self.GCT_sc = GCT(low + 256)
        self.conv_sc = nn.Conv2d(low + 256, 64, 1, bias=False)
        self.bn_sc = GroupNorm(16, 64)
        self.IA10 = IAGate(vector + (320 if aware else 0), 320)
        self.conv1 = nn.Conv2d(320, 128, 3, 1, 1, bias=False)
        self.bn1 = GroupNorm(32, 128)
        self.IA11 = IAGate(vector + (128 if aware else 0), 128)
        self.conv2 = nn.Conv2d(128, 128, 3, 1, 1, bias=False)
        self.bn2 = GroupNorm(32, 128)
        self.IA_final_fg = nn.Linear(vector, 129)
        self.IA_final_bg = nn.Linear(vector, 129)

    def decode(self, x: Tensor, low: Tensor, early: Tensor, vector: Tensor) -> Tensor:
        """Logits slots x h x w.

        x: slots x 256 at stride 8 or 16. low: 1 x C and early: slots x 256 at stride 4. vector: slots x V.
        """
        size = (low.shape[-2], low.shape[-1])
        skip = self.bn_sc.relu(self._skip(low, early))
        # Bicubic here, bilinear everywhere else.
        factor = self.IA10.factor(
            self._condition(vector, lambda: torch.cat([enlarged_means(x, size, "bicubic"), pooled(skip)], 1))
        )
        wide = x.shape[1]
        kernels = self.conv1.weight[:, :wide], self.conv1.weight[:, wide:]
        y = F.conv2d(skip * factor[:, wide:], kernels[1], padding=1)
        y = self.bn1.relu(enlarged_conv(x * factor[:, :wide], kernels[0], size, "bicubic", y))
        y = self.conv2(y * self.IA11.factor(self._condition(vector, lambda: pooled(y))))
        y = self.bn2.relu(y)
        logits = classified(y, self.IA_final_fg(vector))
        if len(logits) > 1:
            # Background also gets the least background logit of the objects; the slot 0 of `IA_final_bg` is unused.
            logits[0] += classified(y, self.IA_final_bg(vector))[1:].amin(0)
        return logits

    def _condition(self, vector: Tensor, means: Callable[[], Tensor]) -> Tensor:
        """What a gate reads: the vector, and where `aware` the mean embeddings (slots x C) of all other slots."""
        return torch.cat([vector, others(means())], 1) if self.aware else vector

    def _skip(self, low: Tensor, early: Tensor) -> Tensor:
        """conv_sc(GCT_sc(concat(low, early))), with `low` read once for all slots instead of copied to each."""
        squares = [channel_squares(x) for x in (low, early)]
        gate = self.GCT_sc.gate_of(torch.cat([squares[0].expand(len(early), -1, -1, -1), squares[1]], 1))
        weight = self.conv_sc.weight.flatten(1) * gate.flatten(1)[:, None]
        split = low.shape[1]
        shared = scaled_product(low.expand(len(early), -1, -1, -1), weight[..., :split])
        return scaled_product(early, weight[..., split:], shared)


def pooled(x: Tensor) -> Tensor:
    """Mean over H x W, N x C x H x W -> N x C; a product with ones, which is fast in either memory format."""
    pixels = x.flatten(2)
    return torch.bmm(pixels, pixels.new_ones(1, 1, 1).expand(len(x), pixels.shape[2], 1))[:, :, 0] / pixels.shape[2]


def others(means: Tensor) -> Tensor:
    """The sum of all rows but one's own, N x C -> N x C."""
    return means.sum(0, keepdim=True) - means


def classified(x: Tensor, filters: Tensor) -> Tensor:
    """x slots x C x h x w, filters slots x (C weights, 1 bias) -> slots x h x w."""
    out: Tensor = torch.baddbmm(filters[:, None, -1:], filters[:, None, :-1], x.flatten(2))[:, 0].unflatten(
        1, x.shape[-2:]
    )
    return out
