"""Sizes that follow from the frame size, and the memory layout of an object's packed truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.scoring.measures import half_widths, radius

OFFSET, TOP, BOTTOM, LEFT, RIGHT, AREA, BOUNDARY, FIRST, LAST, START, STOP = range(11)
"""Columns of `FrameTruth.table`: where the object's crop starts in `words`; its rows and word columns (ends exclusive);
pixels of the mask and of its boundary; rows and word columns that can hold boundary (ends exclusive). All zero for an
absent object."""
COLUMNS = 11
STRIP = 48
"""Rows dilated at once: three buffers of this many rows (and 2r more) stay in the nearest cache."""


class FrameTruth(NamedTuple):
    """The packed truth of one frame: everything that scoring a prediction against it needs.

    Per object, `words` holds three planes on one crop, (3, rows, words) uint64: the mask, its boundary, and the
    boundary dilated by the tolerance. The crop is the bounding box of the dilated boundary.
    """

    table: NDArray[np.int64]
    """(K, 11), see the column names above."""
    words: NDArray[np.uint64]

    @property
    def nbytes(self) -> int:
        """Memory of both arrays, in bytes."""
        return self.table.nbytes + self.words.nbytes


@dataclass(frozen=True)
class Geometry:
    """Numbers that depend on the frame size alone."""

    height: int
    width: int

    @cached_property
    def radius(self) -> int:
        """Tolerance of the boundary measure, in pixels."""
        return radius(self.height, self.width)

    @cached_property
    def half(self) -> NDArray[np.int64]:
        """Half width of the disk at each distance 0..radius from its centre row."""
        return half_widths(self.radius)

    @property
    def words(self) -> int:
        """64-pixel words in a row."""
        return (self.width + 63) // 64

    @property
    def margin(self) -> int:
        """Spare words on each side of a row, for bits that a dilation shifts past its ends."""
        return (self.radius + 63) // 64

    @property
    def scratch(self) -> int:
        """Words of work space that the largest object needs: its boundary, and the three buffers of one strip."""
        stride = self.words + 2 * self.margin
        return self.height * self.words + 2 * ((STRIP + 2 * self.radius) * stride + 2) + STRIP * stride
