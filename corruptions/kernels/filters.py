"""Linear filters on uint8 frames in float32, truncated to uint8 as the reference does.

Every output is a fixed sequence of additions and multiplications, elementwise over a row, so that vector width
does not change a bit. Truncation gets a head start of 1/512, else flat areas would hang on the last bit of a sum.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

from .jit import jit

_HEAD_START = np.float32(1.0 / 512.0)


@lru_cache(maxsize=32)
def gaussian_kernel(sigma: float, truncate: float = 4.0) -> NDArray[np.float32]:
    """Half of a normalised Gaussian, from the middle outwards; radius floor(truncate sigma + 0.5)."""
    radius = int(truncate * sigma + 0.5)
    half = np.array([math.exp(-0.5 * (i / sigma) ** 2) for i in range(radius + 1)])
    return np.asarray(half / (half[0] + 2.0 * half[1:].sum()), dtype=np.float32)


@jit
def _separable(padded, out, half):  # type: ignore[no-untyped-def]
    height, width = out.shape
    radius = half.size - 1
    row = np.empty(width + 6 * radius, np.float32)
    acc = np.empty(width, np.float32)
    for y in range(height):
        middle = padded[y + radius]
        for x in range(row.size):
            row[x] = half[0] * np.float32(middle[x])
        for k in range(1, radius + 1):
            above, below, weight = padded[y + radius - k], padded[y + radius + k], half[k]
            for x in range(row.size):
                row[x] += weight * np.float32(np.int32(above[x]) + np.int32(below[x]))
        offset = 3 * radius
        for x in range(width):
            acc[x] = half[0] * row[x + offset] + _HEAD_START
        for k in range(1, radius + 1):
            left, right, weight = row[offset - 3 * k :], row[offset + 3 * k :], half[k]
            for x in range(width):
                acc[x] += weight * (left[x] + right[x])
        line = out[y]
        for x in range(width):
            line[x] = np.uint8(np.int32(min(acc[x], np.float32(255.0))))


def gaussian_blur(frame: Frame, sigma: float) -> Frame:
    """Gaussian blur of `sigma` pixels, cut at 4 sigma, border pixels repeated; truncated."""
    import cv2

    half = gaussian_kernel(float(sigma))
    pad = half.size - 1
    padded = cv2.copyMakeBorder(np.ascontiguousarray(frame), pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    height, width = frame.shape[:2]
    out = np.empty((height, width * 3), np.uint8)
    _separable(padded.reshape(padded.shape[0], -1), out, half)
    return out.reshape(frame.shape)


@jit
def _taps(padded, acc, out, rows, columns, weights):  # type: ignore[no-untyped-def]
    height, width = out.shape
    for y in range(height):
        for x in range(width):
            acc[x] = _HEAD_START
        for k in range(rows.size):
            source, weight = padded[y + rows[k], columns[k] :], weights[k]
            for x in range(width):
                acc[x] += weight * np.float32(source[x])
        line = out[y]
        for x in range(width):
            line[x] = np.uint8(np.int32(min(acc[x], np.float32(255.0))))


def line_taps(
    radius: float, sigma: float, angle: float, size: tuple[int, int]
) -> tuple[list[int], list[int], list[float]]:
    """(dy, dx, weight) of a trail of 2 radius + 1 points at `angle` degrees with one-sided Gaussian weights.

    Value at (y, x) comes from (y - dy, x - dx). Points that leave a frame of `size` are dropped *after* weights
    were normalised, as in the reference, which darkens frames that are smaller than the trail.
    """
    count = 2 * int(radius) + 1
    weights = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(count)]
    total = sum(weights)
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    taps: tuple[list[int], list[int], list[float]] = ([], [], [])
    for i in range(count):
        dy, dx = -math.ceil(i * sine - 0.5), -math.ceil(i * cosine - 0.5)
        if abs(dy) >= size[0] or abs(dx) >= size[1]:
            break
        taps[0].append(dy)
        taps[1].append(dx)
        taps[2].append(weights[i] / total)
    return taps


def motion_blur(frame: Frame, radius: float, sigma: float, angle: float) -> Frame:
    """A trail in one direction (degrees; 0 is along the row), border pixels repeated; truncated."""
    return _along(frame, *line_taps(radius, sigma, angle, frame.shape[:2]))


def _along(image: NDArray[np.uint8], dy: list[int], dx: list[int], weight: list[float]) -> NDArray[np.uint8]:
    import cv2

    top, bottom, left, right = max(dy), -min(dy), max(dx), -min(dx)
    top, bottom, left, right = (max(side, 0) for side in (top, bottom, left, right))
    image = np.ascontiguousarray(image)
    padded = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    channels = image.size // (height * width)
    out = np.empty((height, width * channels), np.uint8)
    rows = np.array([top - d for d in dy])
    columns = np.array([(left - d) * channels for d in dx])
    acc = np.empty(width * channels, np.float32)
    _taps(padded.reshape(padded.shape[0], -1), acc, out, rows, columns, np.array(weight, np.float32))
    return out.reshape(image.shape)


@jit
def _disk(padded, flat, out, reach, vertical, half, rows, columns, weights):  # type: ignore[no-untyped-def]
    # padded: int32 column sums (row y holds the sum of all rows above it), margin on all sides.
    height, width = out.shape
    radius = reach.size // 2
    blur = half.size - 1
    margin = radius + blur
    wide = width + 6 * blur
    sums = np.empty((2 * blur + 1, wide), np.int32)
    row = np.empty(wide, np.float32)
    acc = np.empty(width, np.float32)
    for y in range(-blur, height + blur):
        total = sums[(y + blur) % (2 * blur + 1)]
        for x in range(wide):
            total[x] = 0
        for k in range(reach.size):
            start = 3 * (k - radius + margin - blur)
            lower, upper = padded[y + margin + reach[k] + 1, start:], padded[y + margin - reach[k], start:]
            for x in range(wide):
                total[x] += lower[x] - upper[x]
        here = y - blur
        if here < 0:
            continue
        middle = sums[(here + blur) % (2 * blur + 1)]
        for x in range(wide):
            row[x] = vertical[0] * np.float32(middle[x])
        for k in range(1, blur + 1):
            above, below = sums[(here + blur - k) % (2 * blur + 1)], sums[(here + blur + k) % (2 * blur + 1)]
            weight = vertical[k]
            for x in range(wide):
                row[x] += weight * np.float32(above[x] + below[x])
        offset = 3 * blur
        for x in range(width):
            acc[x] = half[0] * row[x + offset] + _HEAD_START
        for k in range(1, blur + 1):
            left, right, weight = row[offset - 3 * k :], row[offset + 3 * k :], half[k]
            for x in range(width):
                acc[x] += weight * (left[x] + right[x])
        for k in range(rows.size):
            source, weight = flat[here + rows[k], columns[k] :], weights[k]
            for x in range(width):
                acc[x] += weight * np.float32(source[x])
        line = out[here]
        for x in range(width):
            line[x] = np.uint8(np.int32(min(max(acc[x], np.float32(0.0)), np.float32(255.0))))


@jit
def _column_sums(padded, sums):  # type: ignore[no-untyped-def]
    for x in range(padded.shape[1]):
        sums[0, x] = 0
    for y in range(padded.shape[0]):
        above, below, row = sums[y], sums[y + 1], padded[y]
        for x in range(padded.shape[1]):
            below[x] = above[x] + np.int32(row[x])


@lru_cache(maxsize=32)
def disk_parts(radius: int, alias: float) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """A disk as (reach up and down at each dx, halves of the small Gaussian down and across, the rest).

    The reference builds disk and Gaussian in an array of side 2 max(8, radius) + 1, mirrored at its border, so that
    disks that touch the border (radius 8 and above) come out brighter and with stumped tips; the last array holds
    those differences over (2 (radius + blur) + 1) squared offsets.
    """
    reach = np.array([math.isqrt(radius * radius - dx * dx) for dx in range(-radius, radius + 1)])
    area = float((2 * reach + 1).sum())
    span = max(radius, 8)
    blur = 1 if radius <= 8 else 2
    half = np.array([math.exp(-0.5 * (i / alias) ** 2) for i in range(blur + 1)])
    half /= half[0] + 2.0 * half[1:].sum()
    full = np.concatenate([half[:0:-1], half])
    offsets = np.arange(-span, span + 1)
    disk = (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius * radius) / area

    def smooth(array: NDArray[np.float64]) -> NDArray[np.float64]:
        inner = array.shape[0] - 2 * blur
        rows = sum(w * array[i : i + inner] for i, w in enumerate(full))
        return np.asarray(sum(w * rows[:, i : i + inner] for i, w in enumerate(full)))

    reference = np.pad(smooth(np.pad(disk, blur, mode="reflect")), blur)
    ideal = smooth(np.pad(disk, 2 * blur))
    extra = reference - ideal
    cut = span - radius
    extra = extra[cut : extra.shape[0] - cut, cut : extra.shape[1] - cut]
    # What is left out stays below 0.02 grey levels in sum.
    extra[np.abs(extra) < 1e-6] = 0.0
    return reach, np.stack([half / area, half]).astype(np.float32), extra.astype(np.float32)


def disk_blur(frame: Frame, radius: int, alias: float) -> Frame:
    """Mean over a disk of `radius` pixels softened by a Gaussian of `alias` pixels, border mirrored; truncated."""
    import cv2

    reach, half, extra = disk_parts(int(radius), float(alias))
    blur = half.shape[1] - 1
    margin = radius + blur
    padded = cv2.copyMakeBorder(np.ascontiguousarray(frame), *(margin,) * 4, cv2.BORDER_REFLECT_101)
    flat = padded.reshape(padded.shape[0], -1)
    sums = np.empty((flat.shape[0] + 1, flat.shape[1]), np.int32)
    _column_sums(flat, sums)
    rows, columns = np.nonzero(extra)
    out = np.empty((frame.shape[0], frame.shape[1] * 3), np.uint8)
    _disk(sums, flat, out, reach, half[0], half[1], rows, 3 * columns, extra[rows, columns])
    return out.reshape(frame.shape)
