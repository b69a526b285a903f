"""Windowed matching: the most similar cell of a remembered frame, for every cell that could be an object's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 8
"""Cells on a side of a query tile: one matrix product serves all its cells."""
OUTSIDE = -100.0
"""Similarity of a cell beyond the border: below every cosine."""


def with_border(features: Tensor, radius: int) -> Tensor:
    """Keys ready for `best_matches`: C x h x w -> (C + 4) x h' x w', extended by the search radius on all sides.

    The four extra channels hold y, x, y^2 + x^2, from which a dot product makes a squared distance, and OUTSIDE
    beyond the border (0 inside).
    """
    height, width = features.shape[-2:]
    y = torch.arange(height, dtype=features.dtype, device=features.device)[:, None].expand(height, width)
    x = torch.arange(width, dtype=features.dtype, device=features.device)[None].expand(height, width)
    place = torch.stack([y, x, y * y + x * x])
    bottom, right = -height % TILE + radius, -width % TILE + radius
    pads = (radius, right, radius, bottom)
    outside = F.pad(features.new_zeros(1, height, width), pads, value=OUTSIDE)
    return torch.cat([F.pad(torch.cat([features, place]), pads), outside])


def best_matches(
    query: Tensor, keys: Sequence[Tensor], active: Tensor, radius: int, reluctance: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """For each cell the best match in each remembered frame, within at least `radius` cells up, down and sideways.

    query: C x h x w, unit length over C. keys: M tensors from `with_border`. active: bool h x w, the cells worth a
    search; the others' results are undefined. reluctance: for each frame, what a match at a distance of d cells loses
    of its similarity, divided by d^2. Returns similarities (less that loss) M x h x w and flat indices y * w + x.
    The search is done tile by tile, so that a cell at a tile's edge sees a little further away from that edge.
    """
    channels, height, width = query.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    pads = (0, columns * TILE - width, 0, rows * TILE - height)
    tiles = F.max_pool2d(F.pad(active[None, None].to(query.dtype), pads), TILE)[0, 0] > 0
    ty, tx = tiles.nonzero(as_tuple=True)
    count, window = len(ty), TILE + 2 * radius
    padded = F.pad(query, pads).reshape(channels, rows, TILE, columns, TILE)
    asked = query.new_zeros(count, TILE * TILE, channels + 4)
    asked[..., :channels] = padded.permute(1, 3, 2, 4, 0)[ty, tx].reshape(count, TILE * TILE, channels)
    asked[..., -1] = 1
    inside = torch.arange(TILE, device=query.device)
    y = ((ty * TILE)[:, None, None] + inside[:, None]).expand(count, TILE, TILE).reshape(count, -1)
    x = ((tx * TILE)[:, None, None] + inside).expand(count, TILE, TILE).reshape(count, -1)
    scores = query.new_zeros(len(keys), rows, columns, TILE, TILE)
    places = torch.zeros(len(keys), rows, columns, TILE, TILE, dtype=torch.long, device=query.device)
    top, left = (ty * TILE - radius)[:, None], (tx * TILE - radius)[:, None]
    for m, (key, loss) in enumerate(zip(keys, reluctance)):
        # -loss * |q - k|^2 = -loss * |q|^2 + 2 loss q.k - loss |k|^2: the last two terms are part of the dot product.
        asked[..., channels], asked[..., channels + 1], asked[..., channels + 2] = 2 * loss * y, 2 * loss * x, -loss
        near = key.unfold(1, window, TILE).unfold(2, window, TILE).permute(1, 2, 0, 3, 4)[ty, tx]
        found, at = torch.bmm(asked, near.reshape(count, channels + 4, window * window)).max(-1)
        scores[m, ty, tx] = (found - loss * (y * y + x * x)).reshape(count, TILE, TILE)
        ky = (top + at // window).clamp_(0, height - 1)
        kx = (left + at % window).clamp_(0, width - 1)
        places[m, ty, tx] = (ky * width + kx).reshape(count, TILE, TILE)
    return untiled(scores, height, width), untiled(places, height, width)


def untiled(tiles: Tensor, height: int, width: int) -> Tensor:
    """M x rows x columns x TILE x TILE -> M x height x width."""
    frames, rows, columns = tiles.shape[:3]
    whole = tiles.permute(0, 1, 3, 2, 4).reshape(frames, rows * TILE, columns * TILE)
    return whole[:, :height, :width]
