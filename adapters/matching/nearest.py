"""Global matching: the squared distance of every query pixel to the nearest reference pixel of every slot."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FAR = 5e4
"""The squared distance to a slot without a reference pixel; its map is 1 everywhere."""

REFERENCES, QUERIES = 1024, 2048
"""Pixels a block: bounds the memory (8 MB), whatever the size of the image or the pool."""


def nearest_distances(query: Tensor, groups: Sequence[Tensor], half: bool = False) -> Tensor:
    """Squared L2 distances, float32 slots x h x w.

    query: C x h x w. groups: R x C reference embeddings of each slot (`ReferencePool.groups`, or centroids).
    half: distances in half precision. Not clamped: rounding may leave values slightly below 0, as trained networks
    have seen.
    """
    if half:
        return _nearest_half(query, groups)
    pixels = query.flatten(1).T
    squares = pixels.pow(2).sum(1)
    distances = query.new_full((len(groups), len(pixels)), FAR, dtype=torch.float32)
    for slot, group in enumerate(groups):
        for reference in group.split(REFERENCES) if len(group) else ():
            weight, offset = -2 * reference, reference.pow(2).sum(1)[:, None]
            for start in range(0, len(pixels), QUERIES):
                block = slice(start, start + QUERIES)
                nearest = torch.addmm(offset, weight, pixels[block].T).amin(0) + squares[block]
                torch.minimum(distances[slot, block], nearest, out=distances[slot, block])
    return distances.unflatten(1, query.shape[-2:])


def _nearest_half(query: Tensor, groups: Sequence[Tensor]) -> Tensor:
    pixels = query.flatten(1).T.half()
    squares = pixels.pow(2).sum(1)[:, None]
    distances = query.new_full((len(groups), len(pixels)), FAR, dtype=torch.float32)
    for slot, group in enumerate(groups):
        for reference in group.split(REFERENCES) if len(group) else ():
            weight = reference.half()
            offset = weight.pow(2).sum(1)
            for start in range(0, len(pixels), QUERIES):
                block = slice(start, start + QUERIES)
                # The order of these roundings is part of the result: the sum of squares first, then the product.
                nearest = (squares[block] + offset - 2 * (pixels[block] @ weight.T)).amin(1).float()
                torch.minimum(distances[slot, block], nearest, out=distances[slot, block])
    return distances.unflatten(1, query.shape[-2:])
