"""Windowed matching: the most similar cell of a remembered frame, for every cell that could be an object's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 8
"""Cells on a side of a query tile: one matrix product serves all its cells."""
OUTSIDE = -100.0
"""Similarity of a cell beyond the border: below every cosine."""


def with_border(features: Tensor, radius: int) -> Tensor:
    """Keys ready for `best_matches`: C x h x w -> (C + 1) x h' x w', extended by the search radius on all sides.

    The extra channel is OUTSIDE beyond the border and 0 inside; queries carry 1 there.
    """
    height, width = features.shape[-2:]
    extra = features.new_zeros(1, height, width)
    bottom, right = -height % TILE + radius, -width % TILE + radius
    pads = (radius, right, radius, bottom)
    return torch.cat([F.pad(features, pads), F.pad(extra, pads, value=OUTSIDE)])


def best_matches(query: Tensor, keys: list[Tensor], active: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """For each cell the best match in each remembered frame, within at least `radius` cells up, down and sideways.

    query: C x h x w, unit length over C. keys: M tensors from `with_border`. active: bool h x w, the cells worth a
    search; the others' results are undefined. Returns similarities M x h x w and flat indices y * w + x, M x h x w.
    The search is done tile by tile, so that a cell at a tile's edge sees a little further away from that edge.
    """
    channels, height, width = query.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    pads = (0, columns * TILE - width, 0, rows * TILE - height)
    tiles = F.max_pool2d(F.pad(active[None, None].to(query.dtype), pads), TILE)[0, 0] > 0
    ty, tx = tiles.nonzero(as_tuple=True)
    count, window = len(ty), TILE + 2 * radius
    ones = query.new_ones(1, height, width)
    padded = F.pad(torch.cat([query, ones]), pads).reshape(channels + 1, rows, TILE, columns, TILE)
    asked = padded.permute(1, 3, 2, 4, 0)[ty, tx].reshape(count, TILE * TILE, channels + 1)
    scores = query.new_zeros(len(keys), rows, columns, TILE, TILE)
    places = torch.zeros(len(keys), rows, columns, TILE, TILE, dtype=torch.long, device=query.device)
    top, left = (ty * TILE - radius)[:, None], (tx * TILE - radius)[:, None]
    for m, key in enumerate(keys):
        near = key.unfold(1, window, TILE).unfold(2, window, TILE).permute(1, 2, 0, 3, 4)[ty, tx]
        found, at = torch.bmm(asked, near.reshape(count, channels + 1, window * window)).max(-1)
        scores[m, ty, tx] = found.reshape(count, TILE, TILE)
        y = (top + at // window).clamp_(0, height - 1)
        x = (left + at % window).clamp_(0, width - 1)
        places[m, ty, tx] = (y * width + x).reshape(count, TILE, TILE)
    return untiled(scores, height, width), untiled(places, height, width)


def untiled(tiles: Tensor, height: int, width: int) -> Tensor:
    """M x rows x columns x TILE x TILE -> M x height x width."""
    frames, rows, columns = tiles.shape[:3]
    whole = tiles.permute(0, 1, 3, 2, 4).reshape(frames, rows * TILE, columns * TILE)
    return whole[:, :height, :width]
