"""AOT's propagation layers: self-attention, attention to the long-term and short-term memory, feed-forward."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import WINDOW, Grid, global_attention, window_attention
from .memory import Current, Fused, Memory

HEADS = 8


def to_map(tokens: Tensor, grid: Grid) -> Tensor:
    """N x C tokens -> 1 x C x h x w, a view in channels-last memory."""
    return tokens.view(1, grid.height, grid.width, -1).permute(0, 3, 1, 2)


def to_tokens(image: Tensor) -> Tensor:
    """1 x C x h x w -> N x C, raster order."""
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])


def split_heads(tokens: Tensor, heads: int = HEADS) -> Tensor:
    """N x C -> heads x N x C/heads."""
    return tokens.view(tokens.shape[0], heads, -1).transpose(0, 1)


def join_heads(tokens: Tensor) -> Tensor:
    """Heads x N x d -> N x (heads d)."""
    return tokens.transpose(0, 1).reshape(tokens.shape[1], -1)


def sine_positions(height: int, width: int, device: torch.device, channels: int = 256) -> Tensor:
    """N x channels sine position embedding: half the channels for y, then half for x, both spread over 0..2 pi."""
    half = channels // 2
    index = torch.arange(half, device=device, dtype=torch.float32)
    periods = 10000 ** (2 * torch.div(index, 2, rounding_mode="floor") / half)

    def axis(length: int) -> Tensor:
        position = torch.arange(length, device=device, dtype=torch.float32) / (length - 1 + 1e-6) * (2 * math.pi)
        angles = position[:, None] / periods
        return torch.where(index % 2 == 0, angles.sin(), angles.cos())

    y = axis(height)[:, None].expand(height, width, half)
    x = axis(width)[None].expand(height, width, half)
    return torch.cat([y, x], dim=-1).reshape(height * width, channels)


class SelfAttention(nn.Module):
    """Multi-head self-attention with separate projections; positions go to query and key only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear_Q = nn.Linear(channels, channels)
        self.linear_K = nn.Linear(channels, channels)
        self.linear_V = nn.Linear(channels, channels)
        self.projection = nn.Linear(channels, channels)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """N x C tokens -> N x C."""
        placed = x + positions
        query, key = split_heads(self.linear_Q(placed)), split_heads(self.linear_K(placed))
        out: Tensor = self.projection(join_heads(global_attention(query, key, split_heads(self.linear_V(x)))))
        return out


class LongTermAttention(nn.Module):
    """Attention to every token of the long-term memory; only the output is projected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, channels)

    def forward(self, query: Tensor, memory: Fused) -> Tensor:
        """Heads x N x d query -> N x C."""
        out: Tensor = self.projection(join_heads(global_attention(query, memory.key, memory.value)))
        return out


class ShortTermAttention(nn.Module):
    """Attention to a 15 x 15 window of the previous frame, with relative embeddings for scores and values."""

    def __init__(self, channels: int, heads: int = HEADS) -> None:
        super().__init__()
        self.relative_emb_v = nn.Parameter(torch.zeros(heads, channels // heads, WINDOW))
        self.relative_emb_k = nn.Conv2d(channels, heads * WINDOW, 1, groups=heads)
        self.projection = nn.Linear(channels, channels)

    def forward(self, query: Tensor, memory: Fused, grid: Grid) -> Tensor:
        """Heads x N x d query -> N x C."""
        weight = self.relative_emb_k.weight.view(HEADS, WINDOW, -1)
        assert self.relative_emb_k.bias is not None
        # the bias comes from the unscaled query, unlike the scores
        bias = query @ weight.transpose(1, 2) + self.relative_emb_k.bias.view(HEADS, 1, WINDOW)
        values = self.relative_emb_v.transpose(1, 2)
        attended = window_attention(query, memory.key, memory.value, bias, grid, values)
        out: Tensor = self.projection(join_heads(attended))
        return out


class DepthwiseActivation(nn.Module):
    """GroupNorm, GELU and a depthwise 5 x 5 convolution between the two layers of the feed-forward."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(32, channels)
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """N x C -> N x C."""
        return to_tokens(self.conv(F.gelu(self.gn(to_map(tokens, grid)))))


class AOTLayer(nn.Module):
    """One long short-term transformer layer."""

    def __init__(self, channels: int = 256, hidden: int = 1024, heads: int = HEADS) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.linear_Q = nn.Linear(channels, channels)
        self.linear_V = nn.Linear(channels, channels)
        self.long_term_attn = LongTermAttention(channels)
        self.short_term_attn = ShortTermAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.self_attn = SelfAttention(channels)
        self.norm3 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, hidden)
        self.activation = DepthwiseActivation(hidden)
        self.linear2 = nn.Linear(hidden, channels)

    def fuse(self, current: Current, identity: Tensor) -> Fused:
        """What a frame leaves in memory once its masks are known (identity: N x C)."""
        return Fused(current.key, split_heads(self.linear_V(current.value + identity)))

    def forward(
        self, x: Tensor, positions: Tensor, grid: Grid, memory: Memory | None, identity: Tensor | None
    ) -> tuple[Tensor, Current, Fused | None]:
        """N x C tokens -> (N x C tokens, what to remember, that already fused on a reference pass).

        memory None makes a reference pass: the frame, with its given identity, is its own memory.
        """
        x = x + self.self_attn(self.norm1(x), positions)
        u = self.norm2(x)
        query = split_heads(self.linear_Q(u)).contiguous()
        current = Current(query, u)  # keys are the queries, bias and all
        fused = None
        if memory is None:
            assert identity is not None
            fused = self.fuse(current, identity)
            memory = Memory(fused, fused)
        x = x + self.long_term_attn(query, memory.long) + self.short_term_attn(query, memory.short, grid)
        x = x + self.linear2(self.activation(self.linear1(self.norm3(x)), grid))
        return x, current, fused


class AOTPropagation(nn.Module):
    """The stack of AOT layers; every layer's output is normalised for the decoder, beside the input itself."""

    def __init__(self, layers: int, channels: int = 256) -> None:
        super().__init__()
        # in every official checkpoint and in no official forward pass
        self.mask_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.layers = nn.ModuleList(AOTLayer(channels) for _ in range(layers))
        self.decoder_norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))

    def forward(
        self,
        x: Tensor,
        grid: Grid,
        positions: Tensor,
        memories: list[Memory] | None = None,
        identity: Tensor | None = None,
    ) -> tuple[list[Tensor], list[Current], list[Fused]]:
        """Projected tokens N x C -> (decoder inputs N x C each, what to remember a layer, fused memories or [])."""
        outputs, currents, fused = [x], [], []
        for i, (layer, norm) in enumerate(zip(self.layers, self.decoder_norms)):
            x, current, own = layer(x, positions, grid, memories[i] if memories else None, identity)
            outputs.append(norm(x))
            currents.append(current)
            if own is not None:
                fused.append(own)
        return outputs, currents, fused
