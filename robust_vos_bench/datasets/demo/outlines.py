"""Outlines of the things that the demo cuts out of photographs, traced by hand, and their rasters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.demo.photographs import photograph

Points = Sequence[tuple[int, int]]

# fmt: off
OUTLINES: dict[str, tuple[str, Points]] = {
    "astronaut": ("astronaut", (
        (230, 15), (275, 28), (298, 65), (299, 110), (281, 135), (262, 172), (290, 195), (303, 235), (325, 257),
        (346, 285), (360, 330), (330, 362), (300, 400), (282, 440), (276, 504), (150, 506), (22, 504), (24, 440),
        (26, 380), (40, 310), (60, 255), (108, 225), (118, 175), (150, 151), (183, 157), (170, 127), (154, 100),
        (156, 62), (185, 28),
    )),
    "helmet": ("astronaut", (
        (280, 500), (279, 455), (292, 412), (320, 375), (360, 350), (402, 344), (445, 356), (478, 385), (497, 425),
        (505, 470), (506, 503), (395, 507),
    )),
    "cat": ("chelsea", (
        (68, 12), (120, 4), (200, 3), (280, 5), (322, 18), (344, 60), (358, 105), (358, 150), (340, 205), (318, 245),
        (275, 284), (230, 294), (175, 280), (105, 245), (55, 200), (36, 140), (38, 80),
    )),
    "cup": ("coffee", (
        (79, 215), (92, 150), (132, 100), (172, 80), (184, 52), (220, 28), (285, 18), (350, 31), (394, 62),
        (412, 102), (452, 148), (477, 215), (464, 285), (418, 340), (345, 378), (278, 388), (200, 375), (130, 335),
        (90, 275),
    )),
    "photographer": ("camera", (
        (205, 66), (245, 78), (270, 110), (266, 136), (300, 142), (325, 140), (327, 168), (330, 192), (300, 238),
        (304, 270), (290, 294), (250, 310), (206, 296), (165, 345), (141, 382), (146, 440), (150, 506), (75, 508),
        (5, 506), (4, 380), (6, 255), (40, 228), (62, 178), (100, 132), (158, 106), (166, 84),
    )),
    "brooch": ("ihc", (
        (100, 20), (210, 40), (270, 110), (300, 210), (280, 320), (210, 400), (120, 420), (50, 350), (20, 230),
        (40, 110),
    )),
}
# fmt: on
"""Name -> (photograph, corners of a closed curve in its pixels, x to the right, y down)."""


@lru_cache(maxsize=16)
def cutout(name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(RGB h x w x 3, coverage h x w in 0..255) of one thing, cropped to its box with a margin."""
    if name.startswith("horse:"):
        return _horse(name.partition(":")[2])
    source, corners = OUTLINES[name]
    pixels = photograph(source)
    cover = _raster(_smooth(corners), pixels.shape[0], pixels.shape[1])
    return _crop(pixels, cover)


def _horse(texture: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The silhouette of scikit-image's horse, filled with another photograph."""
    cover = 255 - photograph("horse")[..., 0]
    pixels = photograph(texture)
    rows, columns = cover.shape
    tiled = pixels[_mirror(np.arange(rows), pixels.shape[0])][:, _mirror(np.arange(columns), pixels.shape[1])]
    return _crop(tiled, cover)


def _mirror(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    folded = index % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)


def _crop(pixels: NDArray[np.uint8], cover: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    box = np.s_[max(rows[0] - 2, 0) : rows[-1] + 3, max(columns[0] - 2, 0) : columns[-1] + 3]
    return np.ascontiguousarray(pixels[box]), np.ascontiguousarray(cover[box])


def _smooth(corners: Points, steps: int = 8) -> list[tuple[int, int]]:
    """A closed Catmull-Rom curve through the corners, in 1/16 pixel, by integers alone."""
    curve = []
    count = len(corners)
    cube, half = steps**3, 2
    for i in range(count):
        p0, p1, p2, p3 = (corners[(i + k) % count] for k in (-1, 0, 1, 2))
        for s in range(steps):
            point = []
            for axis in (0, 1):
                a, b, c, d = p0[axis], p1[axis], p2[axis], p3[axis]
                value = (
                    2 * b * cube
                    + (c - a) * s * steps**2
                    + (2 * a - 5 * b + 4 * c - d) * s**2 * steps
                    + (3 * b - a - 3 * c + d) * s**3
                )
                point.append(value * 16 // (half * cube))
            curve.append((point[0], point[1]))
    return curve


def _raster(curve: Sequence[tuple[int, int]], rows: int, columns: int, sub: int = 4) -> NDArray[np.uint8]:
    """Coverage in 0..255 of the inside (even-odd rule), sampled `sub` x `sub` times a pixel, by integers alone.

    curve: closed, in 1/16 pixel.
    """
    inside = np.zeros((rows * sub, columns * sub), bool)
    pitch = 16 // sub
    ys = np.arange(rows * sub, dtype=np.int64) * pitch + pitch // 2
    xs = np.arange(columns * sub, dtype=np.int64) * pitch + pitch // 2
    for (x0, y0), (x1, y1) in zip(curve, [*curve[1:], curve[0]]):
        if y0 == y1:
            continue
        hit = np.flatnonzero((ys >= min(y0, y1)) & (ys < max(y0, y1)))
        crossing = x0 + (ys[hit] - y0) * (x1 - x0) // (y1 - y0)
        inside[hit] ^= xs[None] > crossing[:, None]
    count = inside.reshape(rows, sub, columns, sub).sum((1, 3))
    return np.asarray(count * 255 // (sub * sub), np.uint8)
