"""Adaptive proxies for batches: k-means over each slot's reference cells, differentiable in the cells."""

from __future__ import annotations

import torch
from torch import Tensor

ITERATIONS = 6


def clustered(rows: Tensor, mine: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Cluster centres of every slot, and which slot each stands for.

    rows: B x C x R; mine: bool B x slots x R. Returns B x C x (slots count) and bool B x slots x (slots count). The
    clusters start from cells spread evenly over the slot's cells in raster order, so that nothing is drawn. The
    assignment is found without gradients; the centres are means of their members, through which gradients flow.
    """
    _, slots, cells = mine.shape
    points = rows.transpose(1, 2)  # B x R x C
    weight = mine.to(rows.dtype)
    with torch.no_grad():
        total = weight.sum(2)
        rank = weight.cumsum(2)  # 1..total at the slot's cells
        wanted = ((torch.arange(count, device=rows.device) + 0.5) / count * total[..., None]).floor() + 1
        start = torch.searchsorted(rank.contiguous(), wanted.contiguous()).clamp_(max=cells - 1)
        index = start.flatten(1)[..., None].expand(-1, -1, rows.shape[1])
        centres = points.gather(1, index).unflatten(1, (slots, count))  # B x slots x count x C
        for _ in range(ITERATIONS):
            member = _members(points, centres, weight)
            size = member.sum(2)[..., None]
            means = torch.einsum("bnrk,brc->bnkc", member, points) / size.clamp_min(1)
            centres = torch.where(size > 0, means, centres)
        member = _members(points, centres, weight)
    size = member.sum(2)
    means = torch.einsum("bnrk,brc->bnkc", member, points) / size[..., None].clamp_min(1)
    own = torch.eye(slots, dtype=torch.bool, device=rows.device)[None, :, :, None] & (size > 0)[:, None]
    return means.flatten(1, 2).transpose(1, 2), own.flatten(2)


def _members(points: Tensor, centres: Tensor, weight: Tensor) -> Tensor:
    """One-hot assignment B x slots x R x count, zero for cells of other slots."""
    flat = centres.flatten(1, 2)
    distance = flat.square().sum(2)[:, None] - 2 * points @ flat.transpose(1, 2)  # B x R x (slots count)
    nearest = distance.unflatten(2, centres.shape[1:3]).argmin(3)  # B x R x slots
    chosen = torch.nn.functional.one_hot(nearest, centres.shape[2]).transpose(1, 2)
    return chosen.to(points.dtype) * weight[..., None]
