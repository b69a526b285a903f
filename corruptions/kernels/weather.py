"""Layers of the weather corruptions: plasma fog, falling snow, frost photographs, spatter."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import DataError

from .filters import gaussian_kernel, line_taps
from .geometry import zoom_axis
from .jit import jit
from .sampling import words16

_HEAD_START = np.float32(1.0 / 512.0)


@jit
def _diamond_square(field, words, decay):  # type: ignore[no-untyped-def]
    size = field.shape[0]
    quarter = np.float32(0.25)
    wibble = 100.0
    used = 0
    step = size
    while step >= 2:
        half = step // 2
        # The reference squares the amplitude: `wibble` times a draw from -wibble..wibble.
        reach = np.float32(wibble * wibble)
        grain = reach / np.float32(32768.0)
        for y in range(half, size, step):
            above, below = field[y - half], field[(y + half) % size]
            for x in range(half, size, step):
                right = (x + half) % size
                total = above[x - half] + below[x - half] + above[right] + below[right]
                field[y, x] = total * quarter + (grain * np.float32(words[used]) - reach)
                used += 1
        for y in range(0, size, half):
            above, here, below = field[(y - half) % size], field[y], field[(y + half) % size]
            for x in range(half if (y // half) % 2 == 0 else 0, size, step):
                total = above[x] + below[x] + here[x - half] + here[(x + half) % size]
                here[x] = total * quarter + (grain * np.float32(words[used]) - reach)
                used += 1
        step = half
        wibble /= decay


def plasma(size: int, decay: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A fractal height map by the diamond-square algorithm, size x size (a power of two), from 0 to 1; periodic."""
    field = np.zeros((size, size), np.float32)
    if size == 1:
        return field
    _diamond_square(field, words16(rng, size * size), decay)
    low, high = field.min(), field.max()
    field -= low
    field *= np.float32(1.0) / (high - low)
    return field


def plasma_size(size: tuple[int, int]) -> int:
    """The side of the map over a frame of `size`: the next power of two of its longer side (at least 3 channels)."""
    return 1 << (max(*size, 3) - 1).bit_length()


@jit
def _fog(frame, out, field, top, left, thickness, scale):  # type: ignore[no-untyped-def]
    height, width = out.shape[:2]
    wrap = field.shape[0] - 1
    row = np.empty(width, np.float32)
    for y in range(height):
        source = field[(y + top) & wrap]
        for x in range(width):
            row[x] = source[(x + left) & wrap]
        for x in range(width):
            layer = row[x] * thickness
            for c in range(3):
                value = (np.float32(frame[y, x, c]) + layer) * scale + _HEAD_START
                out[y, x, c] = np.uint8(np.int32(min(value, np.float32(255.0))))


def add_fog(frame: Frame, field: NDArray[np.float32], thickness: float, top: int = 0, left: int = 0) -> Frame:
    """(frame + thickness x field) scaled so that its brightest possible value is the frame's; truncated.

    thickness: of 1 (white). top, left: where the frame lies on the periodic field.
    """
    brightest = float(frame.max()) / 255.0
    scale = brightest / (brightest + thickness)
    out = np.empty(frame.shape, np.uint8)
    _fog(np.ascontiguousarray(frame), out, field, top, left, np.float32(255.0 * thickness), np.float32(scale))
    return out


@jit
def _stretch(nodes, out, rows, row_shares, columns, column_shares, floor, wrap):  # type: ignore[no-untyped-def]
    height, width = out.shape
    one = np.float32(1.0)
    n_rows, n_columns = nodes.shape
    for y in range(height):
        i, down = rows[y], row_shares[y]
        i1 = (i + 1) % n_rows if wrap else min(i + 1, n_rows - 1)
        for x in range(width):
            j, right = columns[x], column_shares[x]
            j1 = (j + 1) % n_columns if wrap else min(j + 1, n_columns - 1)
            upper = (one - right) * nodes[i, j] + right * nodes[i, j1]
            lower = (one - right) * nodes[i1, j] + right * nodes[i1, j1]
            value = (one - down) * upper + down * lower
            if value < floor:
                value = np.float32(0.0)
            out[y, x] = min(max(value, np.float32(0.0)), one)


@jit
def _streak(layer, out, dy, dx, weights, wrap):  # type: ignore[no-untyped-def]
    # Rounded to uint8, as the reference stores its layer.
    height, width = layer.shape
    acc = np.empty(width, np.float32)
    for y in range(height):
        for x in range(width):
            acc[x] = np.float32(0.0)
        for k in range(weights.size):
            row = y - dy[k]
            source = layer[row % height] if wrap else layer[min(max(row, 0), height - 1)]
            shift, weight = dx[k], weights[k]
            low, high = max(0, shift), min(width, width + shift)
            if wrap:
                for x in range(low):
                    acc[x] += weight * source[(x - shift) % width]
                for x in range(high, width):
                    acc[x] += weight * source[(x - shift) % width]
            else:
                for x in range(low):
                    acc[x] += weight * source[0]
                for x in range(high, width):
                    acc[x] += weight * source[width - 1]
            moved = source[low - shift :]
            here = acc[low:high]
            for x in range(high - low):
                here[x] += weight * moved[x]
        for x in range(width):
            out[y, x] = np.uint8(np.int32(acc[x] * np.float32(255.0) + np.float32(0.5)))


def snow_layer(
    size: tuple[int, int],
    mean: float,
    std: float,
    zoom: float,
    floor: float,
    radius: float,
    sigma: float,
    angle: float,
    rng: np.random.Generator,
    periodic: bool = False,
) -> NDArray[np.uint8]:
    """Flakes as uint8 H x W: coarse normal noise enlarged `zoom` times, cut below `floor`, drawn out along `angle`.

    periodic: whether the layer continues over its edges (for layers that move through the frame).
    """
    height, width = size
    axes = [_periodic_axis(n, zoom) if periodic else zoom_axis(n, zoom) for n in size]
    lowest = [0 if periodic else int(lower[0]) for lower, _ in axes]
    counts = [int(lower.max()) - low + (1 if periodic else 2) for (lower, _), low in zip(axes, lowest)]
    nodes = rng.standard_normal(tuple(counts), dtype=np.float32) * np.float32(std) + np.float32(mean)
    (rows, row_shares), (columns, column_shares) = axes
    layer = np.empty((height, width), np.float32)
    _stretch(
        nodes,
        layer,
        rows - lowest[0],
        row_shares,
        columns - lowest[1],
        column_shares,
        np.float32(floor),
        periodic,
    )
    dy, dx, weights = line_taps(radius, sigma, angle, size)
    flakes = np.empty((height, width), np.uint8)
    _streak(layer, flakes, np.array(dy), np.array(dx), np.array(weights, np.float32), periodic)
    return flakes


def _periodic_axis(size: int, zoom: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    count = max(1, round(size / zoom))
    position = np.arange(size) * (count / size)
    lower = np.floor(position).astype(np.int64)
    return lower, (position - lower).astype(np.float32)


@jit
def _snow(frame, first, second, out, keep):  # type: ignore[no-untyped-def]
    height, width = out.shape[:2]
    rest = np.float32(1.0) - keep
    for y in range(height):
        for x in range(width):
            r, g, b = np.float32(frame[y, x, 0]), np.float32(frame[y, x, 1]), np.float32(frame[y, x, 2])
            grey = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
            white = grey * np.float32(1.5) + np.float32(127.5)
            flakes = np.float32(np.int32(first[y, x]) + np.int32(second[y, x])) + _HEAD_START
            out[y, x, 0] = np.uint8(np.int32(min(keep * r + rest * max(r, white) + flakes, np.float32(255.0))))
            out[y, x, 1] = np.uint8(np.int32(min(keep * g + rest * max(g, white) + flakes, np.float32(255.0))))
            out[y, x, 2] = np.uint8(np.int32(min(keep * b + rest * max(b, white) + flakes, np.float32(255.0))))


def add_snow(frame: Frame, first: NDArray[np.uint8], second: NDArray[np.uint8], keep: float) -> Frame:
    """The frame whitened (keep x frame + (1 - keep) x max(frame, 1.5 grey + 0.5)) with two layers of flakes added."""
    out = np.empty(frame.shape, np.uint8)
    _snow(np.ascontiguousarray(frame), first, second, out, np.float32(keep))
    return out


@lru_cache(maxsize=6)
def frost_picture(index: int, size: tuple[int, int]) -> Frame:
    """Frost photograph 0..5 (RGB uint8) that comes with the reference, enlarged to 1.1 times what covers `size`."""
    import importlib.resources

    import cv2

    name = f"frost{index + 1}.{'png' if index < 3 else 'jpg'}"
    data = (importlib.resources.files("imagecorruptions") / "frost" / name).read_bytes()
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"imagecorruptions/frost/{name} cannot be read; install imagecorruptions-imaug again")
    height, width = picture.shape[:2]
    # Where both sides are long enough the photograph keeps its scale, before the tenth is added.
    scale = max([side / own for side, own in zip(size, (height, width)) if own < side], default=1.0) * 1.1
    grown = (math.ceil(width * scale), math.ceil(height * scale))
    return enlarge(np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8), (grown[1], grown[0]))


def enlarge(picture: Frame, size: tuple[int, int]) -> Frame:
    """The picture (H x W x 3 uint8) at `size` (height, width) by bicubic interpolation (a = -0.75), borders repeated.

    In integers, because cv2.resize(INTER_CUBIC) rounds differently from one processor to another: its wheels come with
    several implementations and choose by the instruction set. Within one grey level of any of them.
    """
    rows = np.zeros((size[0], *picture.shape[1:]), np.int32)
    for index, weight in _cubic_taps(picture.shape[0], size[0]):
        rows += picture[index] * weight[:, None, None]
    out = np.zeros((*size, picture.shape[2]), np.int32)
    rows = (rows + (1 << _CUBIC_BITS - 5)) >> (_CUBIC_BITS - 4)  # four bits after the point are kept between the passes
    for index, weight in _cubic_taps(picture.shape[1], size[1]):
        out += rows[:, index] * weight[:, None]
    return np.asarray(np.clip((out + (1 << _CUBIC_BITS + 3)) >> (_CUBIC_BITS + 4), 0, 255), np.uint8)


_CUBIC_BITS = 11
"""Bits after the point of a weight, as in OpenCV. The products of both passes stay below 2^31."""


def _cubic_taps(old: int, new: int) -> list[tuple[NDArray[np.intp], NDArray[np.int32]]]:
    """Four (indices, weights) per output place of one axis, centres of pixels aligned; the weights sum to 2^bits."""
    # Twice the source coordinate times `new`, so that place and fraction are exact.
    place, rest = np.divmod((2 * np.arange(new) + 1) * old - new, 2 * new)
    x = rest / (2.0 * new)
    a = -0.75
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    y = 1.0 - x
    next_ = ((a + 2.0) * y - (a + 3.0)) * y * y + 1.0
    before = ((a * (x + 1.0) - 5.0 * a) * (x + 1.0) + 8.0 * a) * (x + 1.0) - 4.0 * a
    weights = np.rint(np.stack([before, near, next_]) * (1 << _CUBIC_BITS)).astype(np.int32)
    weights = np.concatenate([weights, (1 << _CUBIC_BITS) - weights.sum(0, keepdims=True, dtype=np.int32)])
    return [(np.clip(place + tap - 1, 0, old - 1), weights[tap]) for tap in range(4)]


@jit
def _smooth_plane(padded, out, half):  # type: ignore[no-untyped-def]
    height, width = out.shape
    radius = half.size - 1
    row = np.empty(width + 2 * radius, np.float32)
    for y in range(height):
        middle = padded[y + radius]
        for x in range(row.size):
            row[x] = half[0] * middle[x]
        for k in range(1, radius + 1):
            above, below, weight = padded[y + radius - k], padded[y + radius + k], half[k]
            for x in range(row.size):
                row[x] += weight * (above[x] + below[x])
        line = out[y]
        for x in range(width):
            line[x] = half[0] * row[x + radius]
        for k in range(1, radius + 1):
            left, right, weight = row[radius - k :], row[radius + k :], half[k]
            for x in range(width):
                line[x] += weight * (left[x] + right[x])


def smooth_plane(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur of a float32 H x W plane, cut at 4 sigma, border repeated."""
    half = gaussian_kernel(float(sigma))
    out = np.empty(plane.shape, np.float32)
    _smooth_plane(np.pad(plane, half.size - 1, mode="edge"), out, half)
    return out


_WRAP = 40
"""Pixels around a periodic layer: more than any step of the spatter looks around itself."""


def liquid(
    size: tuple[int, int], mean: float, std: float, sigma: float, rng: np.random.Generator, periodic: bool = False
) -> NDArray[np.float32]:
    """Smoothed normal noise over a frame of `size`; periodic: with _WRAP more pixels on all sides that continue it."""
    noise = rng.standard_normal(size, dtype=np.float32) * np.float32(std) + np.float32(mean)
    return smooth_plane(np.pad(noise, _WRAP, mode="wrap") if periodic else noise, sigma)


def water_drops(field: NDArray[np.float32], floor: float) -> NDArray[np.float32]:
    """Drops of water where the liquid is above `floor`, shaded at their edges: float32 H x W, 0 to 1."""
    import cv2

    layer = np.where(field < np.float32(floor), np.float32(0.0), field * np.float32(255.0)).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(layer, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(np.minimum(distance, np.float32(20.0)), (3, 3)).astype(np.uint8)
    relief = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
    shade = cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, relief), (3, 3))
    drops = layer.astype(np.float32) * shade.astype(np.float32)
    highest = drops.max()
    return drops / highest if highest > 0 else drops


def mud_spots(field: NDArray[np.float32], floor: float, sigma: float) -> NDArray[np.float32]:
    """Opacity of mud where the liquid is above `floor`, smoothed and cut below 0.8: float32 H x W, 0 to 1."""
    spots = smooth_plane((field > np.float32(floor)).astype(np.float32), sigma)
    spots[spots < np.float32(0.8)] = 0.0
    return spots


@jit
def _tint(frame, layer, out, colour, keep):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            amount = layer[y, x]
            rest = np.float32(1.0) - amount * keep
            for c in range(3):
                value = np.float32(frame[y, x, c]) * rest + amount * colour[c] + _HEAD_START
                out[y, x, c] = np.uint8(np.int32(min(value, np.float32(255.0))))


def tint(frame: Frame, layer: NDArray[np.float32], colour: tuple[float, float, float], covers: bool) -> Frame:
    """`colour` (RGB, grey levels) times layer added to the frame, in place of what is below it if it covers."""
    out = np.empty(frame.shape, np.uint8)
    _tint(np.ascontiguousarray(frame), layer, out, np.array(colour, np.float32), np.float32(covers))
    return out


def unwrap(layer: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The frame-sized middle of a layer made from a periodic `liquid`."""
    return layer[_WRAP : _WRAP + size[0], _WRAP : _WRAP + size[1]]
