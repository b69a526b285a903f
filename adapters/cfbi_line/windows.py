"""Local matching: distances to the nearest pixel of every slot in nested windows of the previous frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .labels import sample
from .maps import distance_maps
from .nearest import FAR, squared_distances, with_gradient


def window_distances(
    query: Tensor, previous: Tensor, masks: Tensor, windows: Sequence[int], stride: int = 1, half: bool = False
) -> Tensor:
    """Squared L2 distances, float32 slots x windows x h x w, the windows in the given order.

    query, previous: C x h x w. masks: bool slots x h x w of the previous frame. windows: radii in grid cells; radius
    k reaches |dy|, |dx| <= k, in steps of `stride`. A window without a pixel of the slot inside the image gives 5e4.
    With gradients: as `nearest_distances`.
    """
    if not torch.is_grad_enabled():
        return _distances(query, previous, masks, windows, stride, half)
    places = query.new_empty((len(masks), len(windows), *query.shape[-2:]), dtype=torch.int64)
    with torch.no_grad():
        distances = _distances(query, previous, masks, windows, stride, half, places)
    pixels, before = query.flatten(1), previous.flatten(1)
    at = places.flatten(0, 1).flatten(1)
    passing = torch.stack([squared_distances(pixels, before, each.clamp(min=0)) for each in at])
    passing = passing.float().masked_fill(at < 0, 0).view(distances.shape)
    return with_gradient(distances, passing)


def _distances(
    query: Tensor,
    previous: Tensor,
    masks: Tensor,
    windows: Sequence[int],
    stride: int,
    half: bool,
    places: Tensor | None = None,
) -> Tensor:
    """`window_distances`. places: int64 of the shape of the result, gets the flat index of the nearest pixel of the
    previous frame, -1 where the distance is 5e4."""
    ascending = sorted(set(windows))
    radii = [k // stride for k in ascending]
    result = query.new_empty((len(masks), len(ascending), *query.shape[-2:]), dtype=torch.float32)
    for y in range(stride):
        for x in range(stride):
            # Offsets are multiples of the stride, so that pixels of different phases never meet.
            phase = (slice(None), slice(y, None, stride), slice(x, None, stride))
            nearest, shifts = _nested(query[phase], previous[phase], masks[phase], radii, half, places is not None)
            result[..., y::stride, x::stride] = torch.stack(nearest, 1).clamp_(max=FAR)
            if places is not None:
                found = _flat_places(torch.stack(shifts, 1), radii[-1], (y, x), stride, query.shape[-1])
                for number, k in enumerate(windows):
                    places[:, number, y::stride, x::stride] = found[:, ascending.index(k)]
    chosen = result[:, [ascending.index(k) for k in windows]]
    if places is not None:
        places.masked_fill_(chosen >= FAR, -1)
    return chosen


def _flat_places(shifts: Tensor, reach: int, phase: tuple[int, int], stride: int, width: int) -> Tensor:
    """Shifts of one phase's grid, as `_nested` numbers them -> flat indices into the whole grid."""
    side = 2 * reach + 1
    rows = torch.arange(shifts.shape[-2], device=shifts.device)[:, None] + shifts // side - reach
    columns = torch.arange(shifts.shape[-1], device=shifts.device) + shifts % side - reach
    return (rows * stride + phase[0]) * width + columns * stride + phase[1]


def _nested(
    query: Tensor, previous: Tensor, masks: Tensor, radii: Sequence[int], half: bool, wanted: bool = False
) -> tuple[list[Tensor], list[Tensor]]:
    """For each radius (ascending), slots x h x w; inf where a window holds no pixel of the slot.

    wanted: also the shift to the nearest pixel, int64 of the same shape: (dy + reach) (2 reach + 1) + dx + reach, with
    the largest radius as reach.
    """
    query, previous = query.permute(1, 2, 0).contiguous(), previous.permute(1, 2, 0).contiguous()
    if half:
        query, previous = query.half(), previous.half()
    height, width, _ = query.shape
    reach = radii[-1]
    squares = query.pow(2).sum(2)
    if not half:
        query = -2 * query
    # Pixels outside the slot are infinitely far; so is the border, which takes part in the product only.
    theirs = torch.where(masks, previous.pow(2).sum(2), torch.inf)
    theirs = F.pad(theirs, (reach, reach), value=torch.inf)
    padded = F.pad(previous, (0, 0, reach, reach))
    best = [query.new_full((len(masks), height, width), torch.inf) for _ in radii]
    shifts = [torch.zeros_like(nearest, dtype=torch.int64) for nearest in best] if wanted else []
    for dy in range(-reach, reach + 1):
        rows = slice(max(0, -dy), min(height, height - dy))
        if rows.stop <= rows.start:
            continue
        shifted = slice(rows.start + dy, rows.stop + dy)
        product = _rows_product(query[rows], padded[shifted])
        # Row y, column x, offset dx lies at product[y, x, x + dx + reach]: a diagonal band.
        band = product.as_strided(
            (2 * reach + 1, len(product), width), (1, product.stride(0), product.stride(1) + 1)
        ).contiguous()
        running: Tensor | None = None
        shift = torch.zeros(1, dtype=torch.int64, device=query.device)
        covered = -1
        for number, (radius, nearest) in enumerate(zip(radii, best)):
            # The windows are nested: each adds only the columns that the one before did not cover.
            for dx in [d for d in range(-radius, radius + 1) if abs(d) > covered]:
                columns = slice(reach + dx, reach + dx + width)
                if half:
                    # The order of the roundings is part of the result: the sum of squares first.
                    distance = squares[rows] + theirs[:, shifted, columns] - 2 * band[reach + dx]
                else:
                    # The query's own square is the same for all candidates; it joins the least.
                    distance = theirs[:, shifted, columns] + band[reach + dx]
                if wanted:
                    this = (dy + reach) * (2 * reach + 1) + dx + reach
                    closer = distance < (torch.inf if running is None else running)
                    shift = torch.where(closer, this, shift)
                running = distance if running is None else torch.minimum(running, distance, out=running)
            covered = radius
            if running is not None and abs(dy) <= radius:
                if wanted:
                    shifts[number][:, rows] = torch.where(running < nearest[:, rows], shift, shifts[number][:, rows])
                torch.minimum(nearest[:, rows], running, out=nearest[:, rows])
    return best if half else [nearest.add_(squares) for nearest in best], shifts


def _rows_product(query: Tensor, padded: Tensor) -> Tensor:
    """Inner products of all columns of equal rows: h x w x C and h x w' x C -> h x w x w'."""
    if query.dtype == torch.half and query.device.type == "cpu":
        return torch.bmm(query.float(), padded.float().transpose(1, 2)).half()
    return torch.bmm(query, padded.transpose(1, 2))


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
