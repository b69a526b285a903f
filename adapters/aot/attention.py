"""Attention over all memory tokens, and within a window around each location, without any custom kernel."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 7
"""The short-term window reaches this many locations each way (15 x 15)."""
WINDOW = (2 * RADIUS + 1) ** 2
MAX_SCORES = 1 << 25
"""Scores held at once by global attention (128 MiB in float32); more queries than that are taken in turns."""


def global_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention; G x N x d, G x T x d, G x T x e -> G x N x e (G heads)."""
    heads, _, width = query.shape
    if value.shape[-1] == width:  # fused kernels never hold the scores
        attended: Tensor = F.scaled_dot_product_attention(query[None], key[None], value[None])[0]
        return attended
    rows = max(1, MAX_SCORES // (heads * key.shape[1]))
    parts = [
        torch.softmax(part @ key.transpose(1, 2), dim=-1) @ value for part in (query * width**-0.5).split(rows, dim=1)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


class Grid:
    """An h x w map cut into `tile` x `tile` blocks of queries, each with a halo of `RADIUS` for its keys.

    A block's queries need `span` x `span` keys (span = tile + 2 RADIUS), so windowed attention becomes a few dense
    matrix products a block; a query's own window is then a strided view of its row of scores, at no cost.
    """

    def __init__(self, height: int, width: int, tile: int = 8) -> None:
        self.height, self.width, self.tile = height, width, tile
        self.rows, self.columns = -(-height // tile), -(-width // tile)
        self.span = tile + 2 * RADIUS

    def blocks(self, x: Tensor) -> Tensor:
        """G x N x d -> (blocks) x G x tile^2 x d, zeros beyond the map."""
        groups, _, width = x.shape
        t = self.tile
        grid = x.view(groups, self.height, self.width, width)
        grid = F.pad(grid, (0, 0, 0, self.columns * t - self.width, 0, self.rows * t - self.height))
        grid = grid.view(groups, self.rows, t, self.columns, t, width).permute(1, 3, 0, 2, 4, 5)
        return grid.reshape(self.rows * self.columns, groups, t * t, width)

    def halos(self, x: Tensor) -> Tensor:
        """G x N x d -> (blocks) x G x span^2 x d: each block's locations and those around it, zeros beyond the map."""
        groups, _, width = x.shape
        right = self.columns * self.tile - self.width + RADIUS
        below = self.rows * self.tile - self.height + RADIUS
        grid = F.pad(x.view(groups, self.height, self.width, width), (0, 0, RADIUS, right, RADIUS, below))
        halo = grid.unfold(1, self.span, self.tile).unfold(2, self.span, self.tile)
        halo = halo.permute(1, 2, 0, 4, 5, 3)  # rows, columns, G, span, span, d
        return halo.reshape(self.rows * self.columns, groups, self.span * self.span, width)

    def windows(self, scores: Tensor) -> Tensor:
        """View (blocks) x G x tile^2 x span^2 scores as (blocks) x G x tile x tile x 15 x 15: each query's window."""
        blocks, groups, queries, keys = scores.shape
        side = 2 * RADIUS + 1
        # one query to the right is one row of scores on, and its window one key on; likewise downwards
        return scores.as_strided(
            (blocks, groups, self.tile, self.tile, side, side),
            (groups * queries * keys, queries * keys, self.tile * keys + self.span, keys + 1, self.span, 1),
        )

    def whole(self, blocks: Tensor) -> Tensor:
        """(blocks) x G x tile^2 x d -> G x N x d, the inverse of `blocks`."""
        groups, width, t = blocks.shape[1], blocks.shape[3], self.tile
        grid = blocks.view(self.rows, self.columns, groups, t, t, width).permute(2, 0, 3, 1, 4, 5)
        grid = grid.reshape(groups, self.rows * t, self.columns * t, width)[:, : self.height, : self.width]
        return grid.reshape(groups, self.height * self.width, width)

    def outside(self, device: torch.device) -> Tensor:
        """(blocks) x 1 x tile x tile x 15 x 15, true where the window reaches beyond the map."""
        return _outside(self.height, self.width, self.tile, device)


@lru_cache(maxsize=8)
def _outside(height: int, width: int, tile: int, device: torch.device) -> Tensor:
    # built with gradients allowed and in no particular mode: a cached inference tensor would poison later callers
    with torch.inference_mode(False):
        grid = Grid(height, width, tile)
        inside = grid.halos(torch.ones(1, height * width, 1, device=device))[..., 0]
        return grid.windows(inside[:, :, None].expand(-1, -1, tile * tile, -1).contiguous()) == 0


def window_attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, grid: Grid, offset_values: Tensor | None = None
) -> Tensor:
    """Attention of each location to the 15 x 15 locations around it on another map of the same size.

    query, key: G x N x d; value: G x N x e; bias: G x N x 225, added to the scaled scores (offsets row by row, dy then
    dx from -7 to 7). offset_values: G x 225 x e, added to the values by offset. Returns G x N x e.
    """
    queries = grid.blocks(query * query.shape[-1] ** -0.5)
    scores = (queries @ grid.halos(key).transpose(2, 3)).contiguous()
    windows = grid.windows(scores)
    logits = windows + grid.blocks(bias).view(windows.shape)
    logits = logits.masked_fill_(grid.outside(scores.device), torch.finfo(logits.dtype).min)
    weights = torch.softmax(logits.flatten(-2), dim=-1)
    dense = torch.zeros_like(scores, dtype=weights.dtype)
    grid.windows(dense).copy_(weights.view(windows.shape))
    out = dense @ grid.halos(value)
    if offset_values is not None:
        out = out + weights.flatten(2, 3) @ offset_values
    return grid.whole(out)
