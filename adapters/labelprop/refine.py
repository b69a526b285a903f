"""Label propagation on a finer grid, in small windows about matches found on the coarse one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 512
"""Cells handled at once: their candidate features stay in the processor's cache."""


@dataclass(eq=False)
class Source:
    """One remembered frame on the fine grid."""

    features: Tensor
    """(h * w) x C, unit length over C."""
    labels: Tensor
    """(h * w) x k, share of each object in the cell, 0..1."""


def read_labels(
    query: Tensor,
    cells: tuple[Tensor, Tensor],
    centres: Tensor,
    sources: list[Source],
    size: tuple[int, int],
    radius: int,
    topk: int,
    temperature: float,
) -> Tensor:
    """Labels of some fine cells: a softmax over the `topk` most similar of all candidates of all remembered frames.

    query: (h * w) x C. cells: their y and x, n each. centres: M x n x 2, the (y, x) about which frame m is searched,
    `radius` cells each way. size: (h, w) of the grid. Returns n x k.
    """
    height, width = size
    y, x = cells
    reach = torch.arange(-radius, radius + 1, device=query.device)
    dy, dx = (d.reshape(-1) for d in torch.meshgrid(reach, reach, indexing="ij"))
    asked = query[y * width + x]
    table = torch.stack([source.labels for source in sources])
    out = [asked.new_zeros(0, table.shape[2])]
    for start in range(0, len(y), CHUNK):
        part = slice(start, start + CHUNK)
        similar, candidates = [], []
        for m, source in enumerate(sources):
            ky = centres[m, part, 0, None] + dy
            kx = centres[m, part, 1, None] + dx
            outside = (ky < 0) | (ky >= height) | (kx < 0) | (kx >= width)
            at = ky.clamp_(0, height - 1) * width + kx.clamp_(0, width - 1)
            near = source.features.index_select(0, at.reshape(-1)).reshape(*at.shape, -1)
            found = torch.bmm(near, asked[part, :, None])[..., 0]
            similar.append(found.masked_fill_(outside, -100.0))
            candidates.append(at)
        every = torch.cat(similar, 1)
        best, chosen = every.topk(min(topk, every.shape[1]), 1)
        weights = torch.softmax(best / temperature, 1)
        places = torch.cat(candidates, 1).gather(1, chosen)
        frame = chosen // len(dy)
        out.append((weights[..., None] * table[frame, places]).sum(1))
    return torch.cat(out)
