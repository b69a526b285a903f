"""Global matching: the squared distance of every query pixel to the nearest reference pixel of every slot."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FAR = 5e4
"""The squared distance to a slot without a reference pixel; its map is 1 everywhere."""

REFERENCES, QUERIES = 512, 1024
"""Pixels a block on a CPU: 2 MB of distances, which stay in the cache between the product and the minimum."""

GPU_REFERENCES, GPU_QUERIES = 4096, 16384
"""Pixels a block elsewhere: 256 MB, few launches."""


def nearest_distances(query: Tensor, groups: Sequence[Tensor], half: bool = False) -> Tensor:
    """Squared L2 distances, float32 slots x h x w.

    query: C x h x w. groups: R x C reference embeddings of each slot (`ReferencePool.groups`, or centroids).
    half: distances in half precision. Not clamped: rounding may leave values slightly below 0, as trained networks
    have seen. Memory beyond the result is bounded by the block size, whatever the size of the image or the pool. With
    gradients the nearest references are found without, and the distances to them pass the gradient of the minimum.
    """
    if not torch.is_grad_enabled():
        return _search(query, groups, half)[0]
    with torch.no_grad():
        distances, places = _search(query, groups, half, wanted=True)
    pixels = query.flatten(1)
    passing = [
        squared_distances(pixels, group.T, at) if at is not None else pixels.new_zeros(pixels.shape[1])
        for group, at in zip(groups, places)
    ]
    return with_gradient(distances, torch.stack(passing).unflatten(1, query.shape[-2:]))


def squared_distances(pixels: Tensor, references: Tensor, at: Tensor) -> Tensor:
    """Squared distance of every pixel of C x P to the reference `at` (P) of C x R, with gradients for both."""
    return (pixels - references[:, at]).square().sum(0)


def with_gradient(values: Tensor, passing: Tensor) -> Tensor:
    """The values, with the gradient of `passing`, which computes them in a way that autograd can follow."""
    return values + (passing - passing.detach())


def _search(
    query: Tensor, groups: Sequence[Tensor], half: bool, wanted: bool = False
) -> tuple[Tensor, list[Tensor | None]]:
    """The distances, slots x h x w; and where `wanted`, which of its slot's references is the nearest of each pixel
    (None: there are none)."""
    references, queries = (REFERENCES, QUERIES) if query.device.type == "cpu" else (GPU_REFERENCES, GPU_QUERIES)
    pixels = query.flatten(1).contiguous()
    squares = _squares(pixels, half)
    distances = query.new_full((len(groups), pixels.shape[1]), FAR, dtype=torch.float32)
    places: list[Tensor | None] = []
    for slot, group in enumerate(groups):
        at = pixels.new_zeros(pixels.shape[1], dtype=torch.int64) if wanted and len(group) else None
        places.append(at)
        # A pixel is compared with its own slot's references only; the published code compares it with all of them
        # once a slot, and adds 5e4 to those of other slots.
        for number, reference in enumerate(group.split(references) if len(group) else ()):
            offset = _squares(reference.T, half)[:, None]
            weight = reference.half() if half else -2 * reference
            for start in range(0, pixels.shape[1], queries):
                block = slice(start, start + queries)
                if half:
                    between = _half_block(pixels[:, block], squares[block], weight, offset)
                else:
                    between = torch.addmm(offset, weight, pixels[:, block])
                if at is None:
                    nearest = between.amin(0)
                else:
                    nearest, found = between.min(0)
                nearest = nearest.float() if half else nearest.add_(squares[block])
                if at is not None:
                    closer = nearest < distances[slot, block]
                    at[block] = torch.where(closer, found + number * references, at[block])
                torch.minimum(distances[slot, block], nearest, out=distances[slot, block])
    return distances.unflatten(1, query.shape[-2:]), places


def _squares(vectors: Tensor, half: bool) -> Tensor:
    """|v|^2 of the columns of C x N."""
    return vectors.half().pow(2).sum(0) if half else vectors.pow(2).sum(0)


def half_product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right of half matrices, summed in float32 and rounded once; float32 multiplies are faster on a CPU."""
    if left.device.type == "cpu":
        return (left.float() @ right.float()).half()
    return left @ right


def _half_block(pixels: Tensor, squares: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    # The order of the roundings is part of the result: the sum of squares first, then the product.
    return squares + offset - 2 * half_product(weight, pixels.half())
