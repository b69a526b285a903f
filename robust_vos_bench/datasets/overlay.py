"""Masks painted on frames, for pictures to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.palette import palette
from robust_vos_bench.datasets.video import Frame, Mask


def palette_colours() -> NDArray[np.uint8]:
    """The DAVIS palette as RGB, 256 x 3: row i is the colour of object i."""
    return np.frombuffer(palette(), np.uint8).reshape(-1, 3)


def paint_mask(
    frame: Frame, mask: Mask, colours: NDArray[np.uint8] | None = None, share: float = 0.5, background: float = 1.0
) -> Frame:
    """The frame with its objects tinted and outlined in white.

    frame: RGB uint8 H x W x 3. mask: ids, uint8 H x W. colours: RGB per id, uint8 256 x 3, by default the palette's.
    share: of the colour in an object's pixels (0..1). background: factor on the brightness of all other pixels.
    """
    table = (palette_colours() if colours is None else colours).astype(np.float32)
    inside = mask > 0
    outline = np.zeros(mask.shape, bool)
    outline[1:] |= mask[1:] != mask[:-1]
    outline[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    painted = frame.astype(np.float32)
    painted[~inside] *= background
    painted[inside] = (1 - share) * painted[inside] + share * table[mask[inside]]
    painted[outline] = 255
    return painted.round().astype(np.uint8)
