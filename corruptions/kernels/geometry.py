"""Corruptions that resample or move pixels: zoom blur, glass blur, elastic transform."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame, Mask

from .jit import jit
from .sampling import words32

_HEAD_START = np.float32(1.0 / 512.0)


def zoom_axis(size: int, factor: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Where the pixels 0..size-1 of an axis come from when its middle is enlarged: (lower index, share of the next).

    The middle ceil(size / factor) pixels are stretched, ends on ends, to round(ceil(size / factor) factor) pixels,
    of which the *first* `size` are kept, as the reference does.
    """
    kept = math.ceil(size / factor)
    start = (size - kept) // 2
    stretched = max(round(kept * factor), size)
    position = np.arange(size) * ((kept - 1) / max(stretched - 1, 1))
    lower = np.minimum(position.astype(np.int64), max(kept - 2, 0))
    return start + lower, (position - lower).astype(np.float32)


@jit
def _add_zooms(frame, acc, out, rows, row_shares, columns, column_shares):  # type: ignore[no-untyped-def]
    height, width = out.shape[:2]
    blended = np.empty((width, 4), np.float32)
    scale = np.float32(1.0) / np.float32(rows.shape[0] + 1)
    one = np.float32(1.0)
    for y in range(height):
        for x in range(width):
            for c in range(4):
                acc[x, c] = frame[y, x, c]
        for z in range(rows.shape[0]):
            upper = frame[rows[z, y]]
            lower = frame[min(rows[z, y] + 1, height - 1)]
            share = row_shares[z, y]
            for x in range(width):
                for c in range(4):
                    blended[x, c] = (one - share) * upper[x, c] + share * lower[x, c]
            for x in range(width):
                i = columns[z, x]
                j = min(i + 1, width - 1)
                right = column_shares[z, x]
                left = one - right
                for c in range(4):
                    acc[x, c] += left * blended[i, c] + right * blended[j, c]
        for x in range(width):
            for c in range(3):
                out[y, x, c] = np.uint8(np.int32(min(acc[x, c] * scale + _HEAD_START, np.float32(255.0))))


def zoom_blur(frame: Frame, factors: tuple[float, ...]) -> Frame:
    """Mean of the frame and of its enlargements by the given factors (linear interpolation); truncated."""
    height, width = frame.shape[:2]
    rows = [zoom_axis(height, factor) for factor in factors]
    columns = [zoom_axis(width, factor) for factor in factors]
    # Four floats a pixel fill one vector register.
    source = np.zeros((height, width, 4), np.float32)
    source[..., :3] = frame
    out = np.empty(frame.shape, np.uint8)
    _add_zooms(
        source,
        np.empty((width, 4), np.float32),
        out,
        np.stack([lower for lower, _ in rows]),
        np.stack([share for _, share in rows]),
        np.stack([lower for lower, _ in columns]),
        np.stack([share for _, share in columns]),
    )
    return out


@jit
def _scatter(frame, words, reach):  # type: ignore[no-untyped-def]
    height, width = frame.shape[:2]
    used = 0
    span = np.uint32(2 * reach)
    for y in range(height - reach, reach, -1):
        for x in range(width - reach, reach, -1):
            word = words[used]
            used += 1
            dx = np.int64(((word & np.uint32(0xFFFF)) * span) >> np.uint32(16)) - reach
            dy = np.int64(((word >> np.uint32(16)) * span) >> np.uint32(16)) - reach
            for c in range(3):
                frame[y, x, c] = frame[y + dy, x + dx, c]


def scatter(frame: Frame, reach: int, times: int, rng: np.random.Generator) -> Frame:
    """Each pixel, from the last to the first, takes the colour of one at most `reach` away; repeated `times` times.

    The reference means to swap the two, but its assignment only copies; frames of 2 reach + 1 pixels or less stay.
    """
    result = frame.copy()
    height, width = frame.shape[:2]
    # y runs from height - reach: at reach 1..4 that is inside the frame, and y + dy <= height - 1.
    for _ in range(times):
        count = max(height - 2 * reach, 0) * max(width - 2 * reach, 0)
        if count:
            _scatter(result, words32(rng, count), reach)
    return result


@lru_cache(maxsize=8)
def _smoothing(size: int, sigma: float) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """From independent normals at a coarse row of nodes to `size` pixels: (weights (size, nodes), first, end).

    The result has the covariance of *finely* drawn noise of variance 1 under a normalised Gaussian filter that is
    cut at 3 sigma and mirrors at the border: nodes at most sigma / 1.2 apart carry all of its spectrum.
    """
    count = max(1, math.ceil(1.2 * size / sigma))
    gap = size / count
    radius = int(3.0 * sigma + 0.5)
    fine = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-radius, radius + 1)]
    std = math.sqrt(sum(w * w for w in fine)) / sum(fine)
    # For any phase, the squared weights of nodes `gap` apart add up to sqrt(pi) sigma / gap.
    scale = std / math.sqrt(math.sqrt(math.pi) * sigma / gap)
    weights = np.zeros((size, count))
    for x in range(size):
        first = math.floor((x - 3.0 * sigma + 0.5) / gap)
        last = math.ceil((x + 3.0 * sigma + 0.5) / gap)
        for j in range(first, last + 1):
            distance = (j + 0.5) * gap - 0.5 - x
            mirrored = j % (2 * count)
            weights[x, min(mirrored, 2 * count - 1 - mirrored)] += scale * math.exp(-0.5 * (distance / sigma) ** 2)
    used = weights > 0.0
    return weights.astype(np.float32), used.argmax(1), count - used[:, ::-1].argmax(1)


@jit
def _smooth(nodes, across, x_first, x_end, down, y_first, y_end, out):  # type: ignore[no-untyped-def]
    height, width = out.shape
    rows = np.zeros((nodes.shape[0], width), np.float32)
    for j in range(nodes.shape[0]):
        for x in range(width):
            total = np.float32(0.0)
            for i in range(x_first[x], x_end[x]):
                total += across[x, i] * nodes[j, i]
            rows[j, x] = total
    for y in range(height):
        line = out[y]
        for x in range(width):
            line[x] = np.float32(0.0)
        for j in range(y_first[y], y_end[y]):
            weight, row = down[y, j], rows[j]
            for x in range(width):
                line[x] += weight * row[x]


def node_shape(size: tuple[int, int], sigma: tuple[float, float]) -> tuple[int, int]:
    """Shape of the array of normals that `smooth_field` takes."""
    return _smoothing(size[0], sigma[0])[0].shape[1], _smoothing(size[1], sigma[1])[0].shape[1]


def smooth_field(nodes: NDArray[np.float32], size: tuple[int, int], sigma: tuple[float, float]) -> NDArray[np.float32]:
    """Noise of variance 1 a pixel under a Gaussian filter of sigma (y, x) pixels, from standard normals at nodes."""
    field = np.empty(size, np.float32)
    down, y_first, y_end = _smoothing(size[0], sigma[0])
    across, x_first, x_end = _smoothing(size[1], sigma[1])
    _smooth(nodes, across, x_first, x_end, down, y_first, y_end, field)
    return field


@jit
def _mirror(i, size):  # type: ignore[no-untyped-def]
    i = i % (2 * size)
    return min(i, 2 * size - 1 - i)


@jit
def _warp(frame, out, dy, dx):  # type: ignore[no-untyped-def]
    height, width = out.shape[:2]
    one = np.float32(1.0)
    for y in range(height):
        for x in range(width):
            fy, fx = np.floor(dy[y, x]), np.floor(dx[y, x])
            ty, tx = dy[y, x] - fy, dx[y, x] - fx
            y0, x0 = y + np.int64(fy), x + np.int64(fx)
            y1, x1 = y0 + 1, x0 + 1
            if y0 < 0 or y1 >= height:
                y0, y1 = _mirror(y0, height), _mirror(y1, height)
            if x0 < 0 or x1 >= width:
                x0, x1 = _mirror(x0, width), _mirror(x1, width)
            for c in range(3):
                upper = (one - tx) * np.float32(frame[y0, x0, c]) + tx * np.float32(frame[y0, x1, c])
                lower = (one - tx) * np.float32(frame[y1, x0, c]) + tx * np.float32(frame[y1, x1, c])
                out[y, x, c] = np.uint8(np.int32((one - ty) * upper + ty * lower + _HEAD_START))


def warp(frame: Frame, dy: NDArray[np.float32], dx: NDArray[np.float32]) -> Frame:
    """Value at (y + dy, x + dx), linear between pixels, mirrored at the border; truncated."""
    out = np.empty(frame.shape, np.uint8)
    _warp(np.ascontiguousarray(frame), out, dy, dx)
    return out


def warp_mask(mask: Mask, dy: NDArray[np.float32], dx: NDArray[np.float32]) -> Mask:
    """The label nearest to (y + dy, x + dx), mirrored at the border."""
    height, width = mask.shape
    rows = (np.arange(height)[:, None] + np.floor(dy + np.float32(0.5)).astype(np.int64)) % (2 * height)
    columns = (np.arange(width)[None, :] + np.floor(dx + np.float32(0.5)).astype(np.int64)) % (2 * width)
    return np.asarray(mask[np.minimum(rows, 2 * height - 1 - rows), np.minimum(columns, 2 * width - 1 - columns)])
