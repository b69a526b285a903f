"""Local matching: distances to the nearest pixel of every slot in nested windows of the previous frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from robust_vos_bench.adapters.matching.labels import sample
from robust_vos_bench.adapters.matching.maps import distance_maps
from robust_vos_bench.adapters.matching.nearest import FAR
from torch import Tensor


def window_distances(
    query: Tensor, previous: Tensor, masks: Tensor, windows: Sequence[int], stride: int = 1, half: bool = False
) -> Tensor:
    """Squared L2 distances, float32 slots x windows x h x w, the windows in the given order.

    query, previous: C x h x w. masks: bool slots x h x w of the previous frame. windows: radii in grid cells; radius
    k reaches |dy|, |dx| <= k, in steps of `stride`. A window without a pixel of the slot inside the image gives 5e4.
    """
    if half:
        query, previous = query.half(), previous.half()
    _, height, width = query.shape
    radius = max(windows) // stride
    border = radius * stride
    padded = F.pad(previous, [border] * 4)
    squares = query.pow(2).sum(0)
    padded_squares = F.pad(previous.pow(2).sum(0), [border] * 4)
    padded_masks = F.pad(masks, [border] * 4)
    far = query.new_tensor(FAR)
    best = {k: query.new_full((len(masks), height, width), FAR) for k in set(windows)}
    for row in range(-radius, radius + 1):
        rows = slice(border + row * stride, border + row * stride + height)
        for column in range(-radius, radius + 1):
            columns = slice(border + column * stride, border + column * stride + width)
            product = (query * padded[:, rows, columns]).sum(0)
            distance = squares + padded_squares[rows, columns] - 2 * product
            masked = torch.where(padded_masks[:, rows, columns], distance, far)
            for k, nearest in best.items():
                if max(abs(row), abs(column)) <= k // stride:
                    torch.minimum(nearest, masked, out=nearest)
    return torch.stack([best[k] for k in windows], 1).float()


def window_maps(
    query: Tensor,
    previous: Tensor,
    masks: Tensor,
    windows: Sequence[int],
    biases: Tensor,
    *,
    stride: int = 1,
    reduce: bool = False,
    half: bool = False,
) -> Tensor:
    """Maps, float32 slots x windows x h x w: `window_distances`, then `distance_maps`.

    reduce: match on the grid (h // 2 + 1, w // 2 + 1) (embeddings bilinear, masks nearest) and enlarge the *maps*.
    """
    size = (query.shape[-2], query.shape[-1])
    if not reduce:
        return distance_maps(window_distances(query, previous, masks, windows, stride, half), biases)
    small = (size[0] // 2 + 1, size[1] // 2 + 1)
    query, previous = (
        F.interpolate(e[None].to(torch.float16 if half else e.dtype), small, mode="bilinear", align_corners=True)[0]
        for e in (query, previous)
    )
    distances = window_distances(query, previous, sample(masks, small), windows, stride, half)
    return F.interpolate(distance_maps(distances, biases), size, mode="bilinear", align_corners=True)
