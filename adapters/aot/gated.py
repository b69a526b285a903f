"""DeAOT's gated propagation layers: a visual and an identification stream that share one attention map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import WINDOW, Grid, global_attention, window_attention
from .memory import Current, Fused, Memory
from .transformer import to_map, to_tokens

CHANNELS, KEYS, VALUES = 256, 128, 512
"""Width of either stream, of the shared keys, and of either stream's values."""


class DepthwiseConv(nn.Module):
    """Depthwise 5 x 5 over the map; a module of its own because the official names have one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """N x C -> N x C."""
        return to_tokens(self.conv(to_map(tokens, grid)))


class GatedOutput(nn.Module):
    """What every gated attention ends in: times the gate, depthwise convolution, projection to both streams."""

    def __init__(self) -> None:
        super().__init__()
        self.dw_conv = DepthwiseConv(2 * VALUES)
        self.projection = nn.Linear(2 * VALUES, 2 * CHANNELS)

    def gated(self, attended: Tensor, gate: Tensor, grid: Grid) -> Tensor:
        """1 x N x 1024 and N x 1024 -> N x 512 (visual, then identification)."""
        out: Tensor = self.projection(self.dw_conv(attended[0] * gate, grid))
        return out


class GatedLongTermAttention(GatedOutput):
    """Gated attention to every token of the long-term memory."""

    def forward(self, query: Tensor, memory: Fused, gate: Tensor, grid: Grid) -> Tensor:
        """1 x N x 128 query -> N x 512."""
        return self.gated(global_attention(query, memory.key, memory.value), gate, grid)


class GatedShortTermAttention(GatedOutput):
    """Gated attention to a 15 x 15 window of the previous frame; relative embedding for scores only."""

    def __init__(self) -> None:
        super().__init__()
        self.relative_emb_k = nn.Conv2d(KEYS, WINDOW, 1)

    def forward(self, query: Tensor, memory: Fused, gate: Tensor, grid: Grid) -> Tensor:
        """1 x N x 128 query -> N x 512."""
        weight = self.relative_emb_k.weight.view(WINDOW, KEYS)
        bias = F.linear(query, weight, self.relative_emb_k.bias)
        return self.gated(window_attention(query, memory.key, memory.value, bias, grid), gate, grid)


class GatedSelfAttention(GatedOutput):
    """Gated self-attention of both streams; query and key are one and the same, no positions."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_QK = nn.Linear(2 * CHANNELS, KEYS)
        self.linear_V1 = nn.Linear(CHANNELS, VALUES)
        self.linear_V2 = nn.Linear(CHANNELS, VALUES)
        self.linear_U1 = nn.Linear(CHANNELS, VALUES)
        self.linear_U2 = nn.Linear(CHANNELS, VALUES)

    def forward(self, visual: Tensor, identity: Tensor, grid: Grid) -> Tensor:
        """N x 256 each -> N x 512."""
        query = self.linear_QK(torch.cat([visual, identity], dim=-1))[None]
        value = F.silu(torch.cat([self.linear_V1(visual), self.linear_V2(identity)], dim=-1))[None]
        gate = F.silu(torch.cat([self.linear_U1(visual), self.linear_U2(identity)], dim=-1))
        return self.gated(global_attention(query, query, value), gate, grid)


class GatedLayer(nn.Module):
    """One gated propagation module; the first has no identification stream to start from."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.first = first
        self.norm1 = nn.LayerNorm(CHANNELS)
        self.linear_QV = nn.Linear(CHANNELS, KEYS + VALUES)
        self.linear_U = nn.Linear(CHANNELS, VALUES)
        if not first:
            self.id_norm1 = nn.LayerNorm(CHANNELS)
        self.linear_ID_V = nn.Linear(CHANNELS if first else 2 * CHANNELS, VALUES)
        if not first:
            self.linear_ID_U = nn.Linear(CHANNELS, VALUES)
        self.long_term_attn = GatedLongTermAttention()
        self.short_term_attn = GatedShortTermAttention()
        self.norm2 = nn.LayerNorm(CHANNELS)
        self.id_norm2 = nn.LayerNorm(CHANNELS)
        self.self_attn = GatedSelfAttention()

    def fuse(self, current: Current, identity: Tensor) -> Fused:
        """What a frame leaves in memory once its masks are known (identity: N x 256)."""
        known = identity if current.identity is None else torch.cat([current.identity, identity], dim=-1)
        value = torch.cat([current.value, F.silu(self.linear_ID_V(known))], dim=-1)
        return Fused(current.key, value[None])

    def forward(
        self, visual: Tensor, stream: Tensor | None, grid: Grid, memory: Memory | None, identity: Tensor | None
    ) -> tuple[Tensor, Tensor, Current, Fused | None]:
        """N x 256 streams -> (both streams, what to remember, that already fused on a reference pass)."""
        u = self.norm1(visual)
        query, value = self.linear_QV(u).split([KEYS, VALUES], dim=-1)
        query = query[None].contiguous()
        if stream is None:
            feature = None
            # the first layer's identification half has no gate: it is multiplied by one
            gate = torch.cat([F.silu(self.linear_U(u)), u.new_ones(len(u), VALUES)], dim=-1)
        else:
            feature = self.id_norm1(stream)
            gate = F.silu(torch.cat([self.linear_U(u), self.linear_ID_U(feature)], dim=-1))
        current = Current(query, F.silu(value), feature)
        fused = None
        if memory is None:
            assert identity is not None
            fused = self.fuse(current, identity)
            memory = Memory(fused, fused)
        both = self.long_term_attn(query, memory.long, gate, grid)
        both = both + self.short_term_attn(query, memory.short, gate, grid)
        visual = visual + both[:, :CHANNELS]
        stream = both[:, CHANNELS:] if stream is None else stream + both[:, CHANNELS:]
        both = self.self_attn(self.norm2(visual), self.id_norm2(stream), grid)
        return visual + both[:, :CHANNELS], stream + both[:, CHANNELS:], current, fused


class MapNorm(nn.Module):
    """GroupNorm with two groups whose statistics span the whole map: each group is one stream."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(2, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """N x C -> N x C."""
        out: Tensor = self.gn(tokens.t()[None])[0].t()
        return out


class GatedPropagation(nn.Module):
    """The stack of gated layers; only the last output, both streams normalised, goes to the decoder."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GatedLayer(first=i == 0) for i in range(layers))
        self.decoder_norms = nn.ModuleList([MapNorm(2 * CHANNELS)])

    def forward(
        self,
        x: Tensor,
        grid: Grid,
        positions: Tensor,
        memories: list[Memory] | None = None,
        identity: Tensor | None = None,
    ) -> tuple[list[Tensor], list[Current], list[Fused]]:
        """Projected tokens N x C -> ([decoder input N x 512], what to remember a layer, fused memories or []).

        positions is taken and left: the official network computes it and never uses it.
        """
        currents, fused, stream = [], [], None
        for i, layer in enumerate(self.layers):
            x, stream, current, own = layer(x, stream, grid, memories[i] if memories else None, identity)
            currents.append(current)
            if own is not None:
                fused.append(own)
        assert stream is not None
        return [self.decoder_norms[0](torch.cat([x, stream], dim=-1))], currents, fused
