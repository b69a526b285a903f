"""The transformer layer of `aot.lite`: the paper's, over batches, with sharper attention to larger memories."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import Grid, global_attention, window_attention
from .memory import Bank, Current, Fused
from .transformer import AOTLayer

HEADS = 1
STRIDE = 16
TRAINED_CELLS = (208 // STRIDE + 1) ** 2
"""Cells that a memory holds in training (one reference of 209 x 209 pixels), the fewest."""


def split(tokens: Tensor) -> Tensor:
    """B x N x C -> (B heads) x N x C / heads."""
    out: Tensor = tokens.unflatten(2, (HEADS, -1)).transpose(1, 2).flatten(0, 1)
    return out


def join(tokens: Tensor) -> Tensor:
    """(B heads) x N x d -> B x N x (heads d)."""
    out: Tensor = tokens.unflatten(0, (-1, HEADS)).transpose(1, 2).flatten(2)
    return out


def sharpness(cells: int) -> float:
    """Factor of attention scores over a memory of so many cells.

    The more cells there are, the more of the weight goes to those that resemble nothing; three frames of a video hold
    ten times the cells of a training clip's reference. Scores that grow with the logarithm of the number keep the share
    of the best ones.
    """
    return max(1.0, math.log(cells) / math.log(TRAINED_CELLS))


class Layer(AOTLayer):
    """The paper's layer over batches."""

    def fuse(self, current: Current, identity: Tensor) -> Fused:
        """What frames leave in memory once their masks are known; identity: B x N x C."""
        return Fused(current.key, split(self.linear_V(current.value + identity)))

    def propagate(
        self, x: Tensor, positions: Tensor, grid: Grid, bank: Bank | None, number: int, identity: Tensor | None
    ) -> tuple[Tensor, Current]:
        """Tokens B x N x C -> (tokens, what to remember). bank None: the frame, with its identity, is its own memory.

        number: which layer this is.
        """
        own, u = self.self_attn, self.norm1(x)
        query, key = split(own.linear_Q(u + positions)), split(own.linear_K(u + positions))
        x = x + own.projection(join(global_attention(query, key, split(own.linear_V(u)))))
        u = self.norm2(x)
        query = split(self.linear_Q(u)).contiguous()
        current = Current(query, u)
        if bank is None:
            assert identity is not None
            long = short = self.fuse(current, identity)
        else:
            memory = bank.layers[number]
            long, short = memory.long, memory.short
        sought = query if self.training else query * sharpness(long.key.shape[1])
        far = self.long_term_attn.projection(join(global_attention(sought, long.key, long.value)))
        x = x + far + self._window(query, short, grid)
        y = self.linear1(self.norm3(x)).transpose(1, 2).unflatten(2, (grid.height, grid.width))
        y = self.activation.conv(F.gelu(self.activation.gn(y.contiguous())))
        return x + self.linear2(y.flatten(2).transpose(1, 2)), current

    def _window(self, query: Tensor, memory: Fused, grid: Grid) -> Tensor:
        near = self.short_term_attn
        clips = len(query) // HEADS
        weight = near.relative_emb_k.weight.view(HEADS, -1, query.shape[2]).repeat(clips, 1, 1)
        assert near.relative_emb_k.bias is not None
        bias = torch.baddbmm(
            near.relative_emb_k.bias.view(HEADS, 1, -1).repeat(clips, 1, 1), query, weight.transpose(1, 2)
        )
        values = near.relative_emb_v.transpose(1, 2).repeat(clips, 1, 1)
        found: Tensor = near.projection(join(window_attention(query, memory.key, memory.value, bias, grid, values)))
        return found
