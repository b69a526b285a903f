"""Boundary matches at a tolerance that follows the size of the object, as MOSEv2 defines its adapted F.

Ding et al., arXiv 2508.05630, and the evaluation code of its authors (henghuiding/MOSE-api, MOSEv2/sam2_rcms/tools).
The tolerance is ceil(0.1 x sqrt(pixels of the object in the truth)), and at most 0.008 x the image diagonal. That bound
is not rounded, so that the disk of a large object lies off the pixel grid and is not symmetric. It is built here in the
same way, because the numbers depend on it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.scoring.measures import BOUNDARY_TOLERANCE

Bits = NDArray[np.bool_]
SHARE = 0.1
"""Tolerance as a share of the square root of the object's area."""
ADAPTED = ("pred_boundary", "truth_boundary", "pred_matched", "truth_matched", "bounded")
"""Columns of a table of adapted counts: boundary pixels and matched ones, as in `measures.COUNTS`; whether the
tolerance was the bound, at which the authors compute the fixed F as well."""


def tolerance(area: int, size: tuple[int, int]) -> tuple[float, bool]:
    """(radius in pixels, whether it is the bound) for an object of so many pixels in a frame of `size` (H, W)."""
    bound = BOUNDARY_TOLERANCE * float(np.linalg.norm(size))
    wanted = float(np.ceil(SHARE * np.sqrt(area))) if area else bound
    return (wanted, False) if wanted < bound else (bound, True)


@lru_cache(maxsize=256)
def disk_rows(radius: float) -> tuple[tuple[int, int, int], ...]:
    """(dy, first dx, last dx) of each row of the disk with this radius around a pixel.

    The disk is `skimage.morphology.disk(radius)` with its middle element on the pixel (`cv2.dilate`): for a radius that
    is no whole number the coordinates are -radius, -radius + 1, ... and so miss zero.
    """
    line = np.arange(-radius, radius + 1)
    inside = (line[None, :] ** 2 + line[:, None] ** 2) <= radius**2
    middle = len(line) // 2
    rows = []
    for y, row in enumerate(inside):
        at = np.flatnonzero(row)
        if len(at):
            rows.append((y - middle, int(at[0]) - middle, int(at[-1]) - middle))
    return tuple(rows)


def boundary_map(mask: Bits) -> Bits:
    """The official `seg2bmap`: where a pixel differs from its right, lower or lower right neighbour, (H, W) bool.

    The last row knows only the right neighbour, the last column only the lower one, the last pixel none.
    """
    out = np.zeros_like(mask)
    out[:-1, :-1] = (mask[:-1, :-1] != mask[:-1, 1:]) | (mask[:-1, :-1] != mask[1:, :-1])
    out[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    out[-1, :-1] = mask[-1, :-1] != mask[-1, 1:]
    out[:-1, -1] = mask[:-1, -1] != mask[1:, -1]
    return out


def adapted_counts(prediction: Bits, truth: Bits) -> tuple[int, int, int, int, int]:
    """The counts of `ADAPTED` of one object in one frame; both masks (H, W) bool."""
    radius, bounded = tolerance(int(truth.sum()), (truth.shape[0], truth.shape[1]))
    window = _window(prediction | truth)
    if window is None:
        return 0, 0, 0, 0, int(bounded)
    # Beyond the window both masks are empty, and it is one pixel wider where the frame is.
    pred_edge, truth_edge = boundary_map(prediction[window]), boundary_map(truth[window])
    rows = disk_rows(radius)
    return (
        int(pred_edge.sum()),
        int(truth_edge.sum()),
        _matched(pred_edge, truth_edge, rows),
        _matched(truth_edge, pred_edge, rows),
        int(bounded),
    )


def _window(mask: Bits) -> tuple[slice, slice] | None:
    """The rows and columns that hold a mask and one pixel around it; None for an empty mask."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(ys):
        return None
    return slice(max(int(ys[0]) - 1, 0), int(ys[-1]) + 2), slice(max(int(xs[0]) - 1, 0), int(xs[-1]) + 2)


def _matched(edge: Bits, other: Bits, rows: tuple[tuple[int, int, int], ...]) -> int:
    """How many pixels of `edge` have a pixel of `other` within the disk around them."""
    ys, xs = np.nonzero(edge)
    if not len(ys) or not other.any():
        return 0
    height, width = other.shape
    # Number of pixels of `other` to the left of each column: a row of the disk is the difference of two.
    before = np.zeros((height, width + 1), np.int32)
    np.cumsum(other, axis=1, out=before[:, 1:])
    near = np.zeros(len(ys), np.bool_)
    for dy, first, last in rows:
        y = ys + dy
        inside = (y >= 0) & (y < height)
        y = np.clip(y, 0, height - 1)
        found = before[y, np.clip(xs + last + 1, 0, width)] - before[y, np.clip(xs + first, 0, width)]
        near |= inside & (found > 0)
    return int(near.sum())
