"""Masks with soft edges: coverage from 0 to 255 where object ids are expected.

Such masks come from antialiasing, from resizing with interpolation, from JPEG, and from saved probabilities. Read as
ids, each grey value of an edge would become an object of a few pixels, and the object itself (255) would be void.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import VOID, Mask

HALF = 127
"""The largest value of a binary mask with soft edges that is still background."""
FEW = 3
"""So many values that form lines only, and touch each other, are no thin objects."""
MANY = 8
"""So many are none even where they do not touch (the ripples that JPEG makes)."""
RIPPLE = 12
"""How far from a flat area the ripples of JPEG mostly stay."""
SMALLEST = 8
"""Rows and columns below which nothing is said of a mask."""
CURE = (
    "a mask with soft edges, not one of object ids: {count} grey values lie between background and object, on edges "
    "only. It was antialiased, resized with interpolation or saved as JPEG. Save it without antialiasing (resize with "
    "nearest neighbour, save as PNG), or, if there is one object per video, open the folder as folder:binary, "
    "where values above 127 are the object"
)
"""What is wrong with such a mask and what to do."""


def soft_values(mask: Mask) -> int:
    """The number of grey values that are soft edges rather than object ids; 0 for a mask of ids.

    mask: uint8 (H, W) as stored. An id covers areas: somewhere four of its pixels form a square. The values of a soft
    edge form lines. A mask is soft where most of its values form lines only, around an area of 240 or more, or where
    such lines lie as a gradient between two areas.
    """
    inside = (mask > 0) & (mask < VOID)
    if not inside.any() or min(mask.shape) < SMALLEST:
        return 0
    area = _areas(mask)
    present = np.bincount(mask.ravel(), minlength=256) > 0
    solid = np.bincount(mask[area].ravel(), minlength=256) > 0
    ids, cores = np.flatnonzero(present[1:VOID]) + 1, np.flatnonzero(solid[1:VOID]) + 1
    lines = int(len(ids) - len(cores))
    if not lines:
        return len(ids) if solid[VOID] and _ripples(mask, ids) else 0
    halo = inside & ~solid[mask]
    share = float((area & inside).sum() / inside.sum())
    bright = int((mask[area] >= 240).sum())
    if bright and lines < MANY and _touching(mask, halo) < 0.5:
        bright = 0  # thin objects that lie apart from the bright area
    if bright and solid[VOID] and not len(cores):
        # Nothing but lines and an area of 255. One thin object beside void is possible, a ring around it is not.
        large = bright > inside.sum()
        if (lines >= 2 and large) or (lines == 1 and large and _rings(mask, halo)):
            return lines
    if bright and lines >= FEW and lines >= len(cores) and (share < 0.5 or lines >= max(MANY, 4 * len(cores))):
        return lines
    if bright and _ripples(mask, ids):
        return len(ids)
    if lines >= FEW and halo.sum() >= 4 * FEW and _between(mask, halo) >= 0.95:
        return lines
    return 0


def binarise(mask: Mask) -> Mask:
    """A binary mask as ids {0, 1}, uint8 (H, W).

    Where a mask holds a value above 127, as 0 / 255 masks with or without soft edges do, those values are the object.
    Else (0 / 1 masks, ids) every value but 0 is.
    """
    bound = HALF if mask.size and int(mask.max()) > HALF else 0
    return (mask > bound).astype(np.uint8)


def was_thresholded(mask: Mask) -> bool:
    """Whether `binarise` takes some values that are not 0 for background."""
    return bool(mask.size and int(mask.max()) > HALF and ((mask > 0) & (mask <= HALF)).any())


def _areas(mask: Mask) -> NDArray[np.bool_]:
    """Pixels that are part of a square of four equal ones."""
    found = np.zeros(mask.shape, np.bool_)
    corner = mask[:-1, :-1]
    square = (corner == mask[1:, :-1]) & (corner == mask[:-1, 1:]) & (corner == mask[1:, 1:])
    found[:-1, :-1] |= square
    found[1:, :-1] |= square
    found[:-1, 1:] |= square
    found[1:, 1:] |= square
    return found


def _neighbourhood(mask: Mask) -> NDArray[np.uint8]:
    """The nine values around each pixel: (9, H, W)."""
    padded = np.pad(mask, 1, mode="edge")
    height, width = mask.shape
    return np.stack([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])


def _ripples(mask: Mask, ids: NDArray[np.intp]) -> bool:
    """Whether all values are next to 0 or to 255 and those next to 255 are few: what JPEG makes of two flat areas."""
    high = (mask >= VOID - RIPPLE) & (mask < VOID)
    near = (ids <= RIPPLE) | (ids >= VOID - RIPPLE)
    return bool(near.all() and high.any() and 3 * high.sum() < (mask == VOID).sum())


def _touching(mask: Mask, halo: NDArray[np.bool_]) -> float:
    """Share of the lines' pixels that touch another value than background and their own."""
    near = _neighbourhood(mask)
    return float(((near > 0) & (near != mask)).any(axis=0)[halo].mean())


def _rings(mask: Mask, halo: NDArray[np.bool_]) -> bool:
    """Whether lines lie between background and 255: nearly all their pixels touch both."""
    near = _neighbourhood(mask)
    both = (near == 0).any(axis=0) & (near == VOID).any(axis=0)
    return bool(both[halo].mean() >= 0.9)


def _between(mask: Mask, halo: NDArray[np.bool_]) -> float:
    """Share of the lines' pixels whose value lies strictly between two of their neighbours'."""
    near = _neighbourhood(mask)
    return float(((near.min(axis=0) < mask) & (mask < near.max(axis=0)))[halo].mean())
