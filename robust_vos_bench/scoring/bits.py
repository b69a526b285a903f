"""The seven counts in numpy alone, for small jobs: no compiler has to be loaded. Same numbers as `kernels`.

Masks are bit planes: uint64 (H, S) with S = ceil(W / 64) + 1, pixel x in bit x % 64 of word x // 64, the last word of
each row zero.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring.geometry import COLUMNS, FrameTruth, Geometry

Words = NDArray[np.uint64]
STRAY = 255
"""Entry of a label table: this label belongs to no object of the video."""


def bit_count(words: Words) -> int:
    """Number of set bits of an array of uint64."""
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def boundary(plane: Words, width: int, top: int, bottom: int, first: int, last: int) -> Words:
    """Boundary map of rows top..bottom-1, words first..last-1 of a plane (the official `seg2bmap`).

    A pixel is boundary where it differs from its right, lower or lower right neighbour; the last row knows only the
    right one, the last column only the lower one, the last pixel none.
    """
    height = plane.shape[0]
    one, high = np.uint64(1), np.uint64(63)
    a = plane[top:bottom, first:last]
    right = a >> one | plane[top:bottom, first + 1 : last + 1] << high
    out: Words = a ^ right
    inner = min(bottom, height - 1) - top
    edge = ((width - 1) >> 6) - first
    bit = np.uint64(1 << ((width - 1) & 63))
    if inner > 0:
        below = plane[top + 1 : top + 1 + inner, first:last]
        corner = below >> one | plane[top + 1 : top + 1 + inner, first + 1 : last + 1] << high
        out[:inner] |= (a[:inner] ^ below) | (a[:inner] ^ corner)
    if edge < last - first:
        out[:, edge] &= ~bit
        if inner > 0:
            out[:inner, edge] |= (a[:inner, edge] ^ below[:, edge]) & bit
    return out


def dilate(source: Words, half: NDArray[np.int64]) -> Words:
    """Dilation of (rows + 2r, stride) words by the disk with half widths `half`; the middle `rows` rows of it.

    Each row needs `Geometry.margin` zero words at both ends. Rows are shifted as one long bit string; the union of
    2r + 1 shifted row dilations is the disk, and each row dilation is built from the next narrower one.
    """
    r = len(half) - 1
    rows, stride = source.shape[0] - 2 * r, source.shape[1]
    out = np.zeros(rows * stride, np.uint64)
    now = source.reshape(-1)
    reach = 0
    for dy in range(r, -1, -1):
        while reach < half[dy]:
            step = min(2 * reach + 1, int(half[dy]) - reach, 63)
            reach += step
            s, t = np.uint64(step), np.uint64(64 - step)
            wider = now | now << s
            wider |= now >> s
            wider[1:] |= now[:-1] >> t
            wider[:-1] |= now[1:] << t
            now = wider
        for shift in {r - dy, r + dy}:
            out |= now[shift * stride : shift * stride + rows * stride]
    return out.reshape(rows, stride)


class ArrayCounter:
    """Work space of one video in numpy; see `backends.Counter`."""

    def __init__(self, geometry: Geometry, objects: int) -> None:
        if sys.byteorder != "little":
            raise DataError("bit planes are implemented for little-endian machines only")
        self.geometry = geometry
        self.objects = objects
        self._planes: list[Words | None] = [None] * objects
        self._bytes = (geometry.words + 1) * 8

    def load_mask(self, mask: NDArray[np.uint8], table: NDArray[np.uint8]) -> int:
        """Take a dense (H, W) mask, labels mapped by the 256-entry `table`; the largest stray label, 0 if none."""
        if not _is_identity(table, self.objects):
            mapped = table[mask]
            if mapped.max() == STRAY:
                return int(mask[mapped == STRAY].max())
            mask = mapped
        elif (highest := int(mask.max())) > self.objects:
            return highest
        for k in range(self.objects):
            here = mask == k + 1 if self.objects > 1 else mask
            bits = np.packbits(here, axis=1, bitorder="little")
            if not bits.any():
                self._planes[k] = None
                continue
            plane = np.zeros((self.geometry.height, self._bytes), np.uint8)
            plane[:, : bits.shape[1]] = bits
            self._planes[k] = plane.view(np.uint64)
        return 0

    def load_file(self, path: str | Path, table: NDArray[np.uint8]) -> int:
        """Take a mask file; the largest stray label, 0 if none. Raises DataError, naming the file."""
        from robust_vos_bench.scoring.png import read_index

        return self.load_mask(read_index(Path(path), (self.geometry.height, self.geometry.width)), table)

    def crop(self) -> FrameTruth:
        """The loaded mask as the truth's side of a frame."""
        g = self.geometry
        r, margin = g.radius, g.margin
        table = np.zeros((self.objects, COLUMNS), np.int64)
        parts: list[Words] = []
        used = 0
        for k, plane in enumerate(self._planes):
            if plane is None:
                continue
            y0, y1, w0, w1 = _box(plane)
            first, last = max(y0 - 1, 0), y1
            top, bottom = max(first - r, 0), min(last + r, g.height)
            left, right = max(w0 - 1 - r // 64, 0), min(w1 + margin, g.words)
            edge = boundary(plane, g.width, top, bottom, left, right)
            wide = dilate(np.pad(edge, ((r, r), (margin, margin))), g.half)[:, margin : margin + right - left]
            mask = plane[top:bottom, left:right]
            areas = bit_count(mask), bit_count(edge)
            table[k] = used, top, bottom, left, right, *areas, first, last, max(w0 - 1, 0), w1
            parts += [mask.ravel(), edge.ravel(), wide.ravel()]
            used += 3 * edge.size
        return FrameTruth(table, np.concatenate(parts) if parts else np.empty(0, np.uint64))

    def count(self, truth: FrameTruth, out: NDArray[np.int64]) -> None:
        """The seven counts of every object, into `out` (K, 7), of the loaded mask against a frame's truth."""
        g = self.geometry
        r, margin = g.radius, g.margin
        out[:] = 0
        for k, (plane, row) in enumerate(zip(self._planes, truth.table.tolist())):
            offset, t_top, t_bottom, t_left, t_right, area, n_truth, t_first, t_last, t_start, t_stop = row
            out[k, 1], out[k, 4] = area, n_truth
            if plane is None:
                continue
            y0, y1, w0, w1 = _box(plane)
            top, bottom, left, right = max(y0 - 1, 0), y1, max(w0 - 1, 0), w1
            edge = boundary(plane, g.width, top, bottom, left, right)
            out[k, 0], out[k, 3] = bit_count(plane[top:bottom, left:right]), bit_count(edge)
            if not area:
                continue
            rows, columns = t_bottom - t_top, t_right - t_left
            crop = truth.words[offset : offset + 3 * rows * columns].reshape(3, rows, columns)
            ya, yb, xa, xb = max(top, t_top), min(bottom, t_bottom), max(left, t_left), min(right, t_right)
            if ya < yb and xa < xb:
                window = (slice(ya - t_top, yb - t_top), slice(xa - t_left, xb - t_left))
                out[k, 2] = bit_count(plane[ya:yb, xa:xb] & crop[0][window])
                out[k, 5] = bit_count(edge[ya - top : yb - top, xa - left : xb - left] & crop[2][window])
            ya, yb = max(top - r, t_first), min(bottom + r, t_last)
            # Dilate only what can reach the truth's boundary, and only where that lies.
            c0, c1 = max(left, t_start - margin), min(right, t_stop + margin)
            xa, xb = max(c0 - margin, t_start), min(c1 + margin, t_stop)
            if out[k, 3] and n_truth and ya < yb and c0 < c1 and xa < xb:
                source = np.zeros((yb - ya + 2 * r, c1 - c0 + 2 * margin), np.uint64)
                a, b = max(ya - r, top), min(yb + r, bottom)
                source[a - ya + r : b - ya + r, margin : margin + c1 - c0] = edge[
                    a - top : b - top, c0 - left : c1 - left
                ]
                wide = dilate(source, g.half)[:, xa - c0 + margin : xb - c0 + margin]
                out[k, 6] = bit_count(wide & crop[1, ya - t_top : yb - t_top, xa - t_left : xb - t_left])


def _is_identity(table: NDArray[np.uint8], objects: int) -> bool:
    """Whether labels 1..K are the objects and every other one is stray."""
    return bool((table[: objects + 1] == np.arange(objects + 1)).all() and (table[objects + 1 :] == STRAY).all())


def _box(plane: Words) -> tuple[int, int, int, int]:
    """Rows and words (ends exclusive) that hold every set bit of a plane that is not empty."""
    rows = np.flatnonzero(plane.any(axis=1))
    columns = np.flatnonzero(plane.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
