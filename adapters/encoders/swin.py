"""Swin Transformer (Liu et al. 2021) as a dense encoder, with the names of Microsoft's release."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 7
SHIFT = WINDOW // 2


class WindowAttention(nn.Module):
    """Multi-head self-attention within 7 x 7 windows, with a learned bias for each relative position."""

    relative_position_index: Tensor

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_positions())
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Windows x 49 x C -> the same; mask: windows x 49 x 49, added to the scores, or None."""
        windows, length, channels = x.shape
        query, key, value = self.qkv(x).view(windows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)[None]
        bias = bias if mask is None else bias + mask[:, None]
        out = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
        projected: Tensor = self.proj(out.transpose(1, 2).reshape(windows, length, channels))
        return projected


def relative_positions() -> Tensor:
    """49 x 49 indices into the bias table: row offset times 13 plus column offset, both counted from -6."""
    index = torch.arange(WINDOW * WINDOW)
    rows, columns = index // WINDOW, index % WINDOW
    dy = rows[:, None] - rows[None] + WINDOW - 1
    dx = columns[:, None] - columns[None] + WINDOW - 1
    return dy * (2 * WINDOW - 1) + dx


@lru_cache(maxsize=16)
def shift_mask(height: int, width: int, device: torch.device) -> Tensor:
    """Windows x 49 x 49: -100 between locations that are neighbours only because the map was rolled, else 0."""
    with torch.inference_mode(False):

        def bands(length: int) -> Tensor:
            position = torch.arange(length, device=device)
            return (position >= length - WINDOW).long() + (position >= length - SHIFT).long()

        regions = bands(height)[:, None] * 3 + bands(width)[None]
        regions = into_windows(regions[..., None])[..., 0]
        return (regions[:, :, None] != regions[:, None]).float() * -100.0


def into_windows(x: Tensor) -> Tensor:
    """H x W x C (multiples of 7) -> windows x 49 x C."""
    height, width, channels = x.shape
    x = x.view(height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels).transpose(1, 2)
    return x.reshape(-1, WINDOW * WINDOW, channels)


def from_windows(x: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `into_windows`."""
    x = x.view(height // WINDOW, width // WINDOW, WINDOW, WINDOW, -1).transpose(1, 2)
    return x.reshape(height, width, -1)


class Mlp(nn.Module):
    """Two layers with GELU between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """... x C -> the same."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class SwinBlock(nn.Module):
    """Window attention, shifted in every second block, then an MLP; both pre-normalised and residual."""

    def __init__(self, channels: int, heads: int, shifted: bool) -> None:
        super().__init__()
        self.shifted = shifted
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        """H x W x C -> the same."""
        height, width, _ = x.shape
        # padded after the norm, so that the padding is zero and yet takes part in the attention
        y = F.pad(self.norm1(x), (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        padded = y.shape[:2]
        if self.shifted:
            y = torch.roll(y, (-SHIFT, -SHIFT), (0, 1))
        y = self.attn(into_windows(y), shift_mask(*padded, y.device) if self.shifted else None)
        y = from_windows(y, *padded)
        if self.shifted:
            y = torch.roll(y, (SHIFT, SHIFT), (0, 1))
        x = x + y[:height, :width]
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchMerging(nn.Module):
    """Four neighbours side by side in channels, normalised, reduced to twice the width at half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """H x W x C -> ceil(H/2) x ceil(W/2) x 2C."""
        x = F.pad(x, (0, 0, 0, x.shape[1] % 2, 0, x.shape[0] % 2))
        # down the rows first: (even, even), (odd, even), (even, odd), (odd, odd)
        parts = [x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2]]
        out: Tensor = self.reduction(self.norm(torch.cat(parts, dim=-1)))
        return out


class PatchEmbed(nn.Module):
    """4 x 4 patches, projected and normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, 4, 4)
        self.norm = nn.LayerNorm(channels)

    def forward(self, image: Tensor) -> Tensor:
        """1 x 3 x H x W -> ceil(H/4) x ceil(W/4) x C."""
        image = F.pad(image, (0, -image.shape[3] % 4, 0, -image.shape[2] % 4))
        out: Tensor = self.norm(self.proj(image)[0].permute(1, 2, 0))
        return out


class Stage(nn.Module):
    """Blocks at one resolution, then the merging that leads to the next one."""

    def __init__(self, channels: int, depth: int, heads: int, last: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(channels, heads, shifted=i % 2 == 1) for i in range(depth))
        self.downsample = None if last else PatchMerging(channels)


class Swin(nn.Module):
    """Swin encoder of as many stages as `depths` has; each stage's output is normalised before it is returned.

    Defaults: the first three stages of Swin-B (stride 4, 8, 16; 128, 256, 512 channels).
    """

    def __init__(
        self, channels: int = 128, depths: Sequence[int] = (2, 2, 18), heads: Sequence[int] = (4, 8, 16)
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(channels)
        last = len(depths) - 1
        self.layers = nn.ModuleList(
            Stage(channels << i, depth, heads[i], last=i == last) for i, depth in enumerate(depths)
        )
        for i in range(len(depths)):
            self.add_module(f"norm{i}", nn.LayerNorm(channels << i))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised image 1 x 3 x H x W -> one 1 x C x h x w map per stage (channels-last memory)."""
        x = self.patch_embed(image)
        maps = []
        for i, layer in enumerate(self.layers):
            stage = cast(Stage, layer)
            for block in stage.blocks:
                x = block(x)
            maps.append(getattr(self, f"norm{i}")(x).permute(2, 0, 1)[None])
            if stage.downsample is not None:
                x = stage.downsample(x)
        return maps
