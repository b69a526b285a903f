"""Distances to reference cells: for training in batches and with gradients, for inference by the code of `cfbi_line`.

The nearest reference cell is found without gradients; the distance to it is computed again with them. That is the
gradient of the minimum, for a fraction of the memory.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cfbi_line.nearest import FAR, nearest_distances
from ..cfbi_line.windows import window_distances


def global_distances(query: Tensor, references: Tensor, masks: Tensor) -> Tensor:
    """Squared distance of every query cell to the nearest reference cell of every slot, B x N x h x w.

    query: B x C x h x w. references: B x C x R. masks: bool B x N x R. A slot without a reference gives 5e4.
    """
    size = query.shape[-2:]
    if not torch.is_grad_enabled():
        return torch.stack(
            [
                nearest_distances(q, [rows.T[mask] for mask in masked])
                for q, rows, masked in zip(query, references, masks)
            ]
        )
    flat = query.flatten(2)
    with torch.no_grad():
        between = _pair_distances(flat, references)  # B x Q x R
        places, found = [], []
        for slot in range(masks.shape[1]):
            least, at = between.masked_fill(~masks[:, slot, None], torch.inf).min(2)
            places.append(at)
            found.append(least.isfinite())
    distances = torch.stack([_distance_to(flat, references, at) for at in places], 1)
    out: Tensor = torch.where(torch.stack(found, 1), distances, FAR).unflatten(2, size)
    return out


def local_distances(query: Tensor, previous: Tensor, masks: Tensor, windows: tuple[int, ...]) -> Tensor:
    """The same within windows about the cell in the frame before, B x N x len(windows) x h x w.

    previous: B x C x h x w; masks: bool B x N x h x w; windows: radii in cells, ascending.
    """
    size = (query.shape[-2], query.shape[-1])
    if not torch.is_grad_enabled():
        return torch.stack([window_distances(q, p, m, windows) for q, p, m in zip(query, previous, masks)])
    flat, before = query.flatten(2), previous.flatten(2)
    places, inside = _neighbours(size, windows, query.device)
    with torch.no_grad():
        between = _pair_distances(flat, before)
        near = between.gather(2, places.expand(len(query), -1, -1))  # B x Q x offsets
        theirs = masks.flatten(2)
        chosen: list[Tensor] = []
        found: list[Tensor] = []
        for slot in range(masks.shape[1]):
            allowed = theirs[:, slot][:, places] & inside
            candidates = near.masked_fill(~allowed, torch.inf)
            for radius in windows:
                least, at = candidates[:, :, : (2 * radius + 1) ** 2].min(2)
                chosen.append(places.expand(len(query), -1, -1).gather(2, at[:, :, None])[:, :, 0])
                found.append(least.isfinite())
    distances = torch.stack([_distance_to(flat, before, at) for at in chosen], 1)
    distances = torch.where(torch.stack(found, 1), distances, FAR)
    out: Tensor = distances.unflatten(1, (masks.shape[1], len(windows))).unflatten(3, size)
    return out


def near(masks: Tensor, radius: int) -> Tensor:
    """Bool B x N x h x w: which cells have a cell of the mask within `radius` rows and columns."""
    side = 2 * radius + 1
    tall = F.max_pool2d(masks.float(), (side, 1), 1, (radius, 0))
    return F.max_pool2d(tall, (1, side), 1, (0, radius)) > 0


def _pair_distances(query: Tensor, references: Tensor) -> Tensor:
    """B x C x Q and B x C x R -> B x Q x R."""
    squares = references.square().sum(1)[:, None]
    return torch.baddbmm(squares, query.transpose(1, 2), references, alpha=-2) + query.square().sum(1)[:, :, None]


def _distance_to(query: Tensor, references: Tensor, at: Tensor) -> Tensor:
    """Squared distance of each query cell to the reference cell `at` (B x Q)."""
    chosen = references.gather(2, at[:, None].expand(-1, references.shape[1], -1))
    return (query - chosen).square().sum(1)


@lru_cache(maxsize=8)
def _neighbours(size: tuple[int, int], windows: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Flat indices (cells x offsets) of the cells around each one, smaller windows first, and which lie inside."""
    height, width = size
    reach = torch.arange(-windows[-1], windows[-1] + 1)
    dy, dx = (d.reshape(-1) for d in torch.meshgrid(reach, reach, indexing="ij"))
    ring = torch.maximum(dy.abs(), dx.abs())
    order = torch.argsort(ring, stable=True)
    dy, dx = dy[order], dx[order]
    y = torch.arange(height).repeat_interleave(width)[:, None] + dy
    x = torch.arange(width).repeat(height)[:, None] + dx
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    places = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return places.to(device), inside.to(device)
