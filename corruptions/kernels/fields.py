"""Noise with structure: blue, brown, Perlin's, plasma."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

from .functions import cosine, sine
from .jit import jit
from .sampling import words16

_HEAD_START = 1.0 / 512.0
TILE = 256
"""Side of the endless tile of brown noise."""


@jit
def _circle(out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        angle = 2.0 * math.pi * (i + 0.5) / out.shape[0]
        out[i, 0] = cosine(angle)
        out[i, 1] = sine(angle)


@lru_cache(maxsize=1)
def _phases() -> NDArray[np.complex64]:
    """exp(i phi) for 65,536 phases around the circle."""
    points = np.empty((1 << 16, 2), np.float32)
    _circle(points)
    return points.view(np.complex64).reshape(-1)


def _random_phases(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.complex64]:
    return np.asarray(_phases()[words16(rng, shape[0] * shape[1])].reshape(shape))


@lru_cache(maxsize=4)
def _rising(size: tuple[int, int]) -> NDArray[np.float32]:
    """Amplitudes in proportion to frequency on the half plane of a real transform; the noise has variance 1."""
    rows, columns = size
    down = np.minimum(np.arange(rows), rows - np.arange(rows)) / rows
    across = np.arange(columns // 2 + 1) / columns
    amplitude = np.hypot(down[:, None], across[None, :])
    # Columns that stand for themselves and their mirror count twice; of the others the transform keeps the half that
    # is symmetric.
    weight = np.full(columns // 2 + 1, 2.0)
    weight[0] = 0.5
    if columns % 2 == 0:
        weight[-1] = 0.5
    variance = float((amplitude**2 * weight).sum()) / float(rows * columns) ** 2
    return np.asarray(amplitude / math.sqrt(variance) if variance > 0 else amplitude, np.float32)


def blue_noise(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise (H, W) of variance 1 whose amplitude is proportional to frequency (cycles per pixel), float32."""
    from scipy.fft import irfft2, next_fast_len

    rows, columns = (next_fast_len(max(n, 2), real=True) for n in size)
    spectrum = _rising((rows, columns))
    made = irfft2(spectrum * _random_phases(rng, spectrum.shape), s=(rows, columns), workers=1)
    return np.ascontiguousarray(made[: size[0], : size[1]], np.float32)


@jit
def _keep_above(frame, noise, out, threshold):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            keep = noise[y, x] > threshold
            for c in range(3):
                out[y, x, c] = frame[y, x, c] if keep else 0


def keep_above(frame: Frame, noise: NDArray[np.float32], threshold: float) -> Frame:
    """The frame where noise (H, W) is above a threshold, black elsewhere."""
    out = np.empty(frame.shape, np.uint8)
    _keep_above(np.ascontiguousarray(frame), noise, out, np.float32(threshold))
    return out


def brown_tile(rng: np.random.Generator) -> NDArray[np.float32]:
    """Endless noise TILE x TILE with amplitude 1 / (1 + k^2) at k cycles per tile, and an offset; float32.

    Its standard deviation is 1; its mean, the wave of 0 cycles, is random within about +-1.
    """
    from scipy.fft import fft2

    k = np.minimum(np.arange(TILE), TILE - np.arange(TILE)).astype(np.float64)
    amplitude = 1.0 / (1.0 + k[:, None] ** 2 + k[None, :] ** 2)
    waves = fft2(amplitude.astype(np.complex128) * _random_phases(rng, (TILE, TILE)), workers=1).real
    return np.asarray(waves / waves.std(), np.float32)


@jit
def _add_tiles(frame, out, tiles, step, top, left, gain):  # type: ignore[no-untyped-def]
    height, width = out.shape[:2]
    side = tiles.shape[1]
    for y in range(height):
        v = top + y * step
        floor_v = np.floor(v)
        down = np.float32(v - floor_v)
        i0 = np.int64(floor_v) % side
        i1 = (i0 + 1) % side
        for x in range(width):
            u = left + x * step
            floor_u = np.floor(u)
            right = np.float32(u - floor_u)
            j0 = np.int64(floor_u) % side
            j1 = (j0 + 1) % side
            for c in range(3):
                upper = tiles[c, i0, j0] + right * (tiles[c, i0, j1] - tiles[c, i0, j0])
                lower = tiles[c, i1, j0] + right * (tiles[c, i1, j1] - tiles[c, i1, j0])
                value = np.float32(frame[y, x, c]) + gain * (upper + down * (lower - upper)) + np.float32(_HEAD_START)
                out[y, x, c] = np.uint8(np.int32(min(max(value, np.float32(0.0)), np.float32(255.0))))


def add_tiles(frame: Frame, tiles: NDArray[np.float32], step: float, top: float, left: float, gain: float) -> Frame:
    """frame + gain x an endless tile per channel (3, N, N), linear between its points; truncated.

    step: tile points per pixel; top, left: the point under the first pixel; gain in grey levels.
    """
    out = np.empty(frame.shape, np.uint8)
    _add_tiles(np.ascontiguousarray(frame), out, tiles, step, top, left, np.float32(gain))
    return out


@jit
def _lattice(x, y, order, slopes):  # type: ignore[no-untyped-def]
    fx, fy = np.floor(x), np.floor(y)
    i, j = np.int64(fx) & 255, np.int64(fy) & 255
    u, v = x - fx, y - fy
    near, far = order[i], order[(i + 1) & 255]
    a, b = order[(near + j) & 255], order[(far + j) & 255]
    c, d = order[(near + j + 1) & 255], order[(far + j + 1) & 255]
    across = u * u * (3.0 - 2.0 * u)
    down = v * v * (3.0 - 2.0 * v)
    upper_left = u * slopes[a, 0] + v * slopes[a, 1]
    upper_right = (u - 1.0) * slopes[b, 0] + v * slopes[b, 1]
    lower_left = u * slopes[c, 0] + (v - 1.0) * slopes[c, 1]
    lower_right = (u - 1.0) * slopes[d, 0] + (v - 1.0) * slopes[d, 1]
    upper = upper_left + across * (upper_right - upper_left)
    lower = lower_left + across * (lower_right - lower_left)
    return 1.5 * (upper + down * (lower - upper))


@jit
def _mix_perlin(frame, out, order, slopes, step, top, left, alpha):  # type: ignore[no-untyped-def]
    rest = 1.0 - alpha
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            v, u = top + y * step, left + x * step
            total, octave = 0.0, 1.0
            for _ in range(5):
                total += abs(_lattice(u * octave, v * octave, order, slopes)) / octave
                octave *= 2.0
            noise = 255.0 * alpha * min(0.5 + 0.5 * total, 1.0) + _HEAD_START
            for c in range(3):
                out[y, x, c] = np.uint8(np.int32(rest * frame[y, x, c] + noise))


def perlin_lattice(rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(order of 256 nodes, slopes (256, 2) of length 1) that a field of Perlin's is made of."""
    order = rng.permutation(256).astype(np.int64)
    points = _phases()[words16(rng, 256)]
    return order, np.stack([points.real, points.imag], -1).astype(np.float64)


def mix_perlin(
    frame: Frame,
    lattice: tuple[NDArray[np.int64], NDArray[np.float64]],
    step: float,
    top: float,
    left: float,
    alpha: float,
) -> Frame:
    """(1 - alpha) x frame + alpha x turbulence: five octaves of |Perlin noise|, halved and raised by a half; truncated.

    step: cells of the first octave per pixel; top, left: the cell under the first pixel.
    """
    out = np.empty(frame.shape, np.uint8)
    _mix_perlin(np.ascontiguousarray(frame), out, *lattice, step, top, left, alpha)
    return out


@jit
def _plasma_clouds(frame, out, time, iterations, sharpness, unit, gain):  # type: ignore[no-untyped-def]
    rest = 1.0 - gain / 255.0
    slow = sine(time)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            x, y = column * unit, row * unit
            frequency, slowing, damping = 1.0, 1.0, 1.0
            for _ in range(iterations):
                a = cosine(y * frequency + time / slowing) / damping
                b = sine(x * frequency + time / slowing) / damping
                x += a - 0.3 * b
                y += b + 0.3 * a
                frequency *= 1.93
                slowing *= 1.15
                damping *= 2.25 - sharpness
            red, blue, green = sine(x - time), sine(y + time), sine((x + y + slow) * 0.5)
            out[row, column, 0] = _clip(rest * frame[row, column, 0] + gain * red)
            out[row, column, 1] = _clip(rest * frame[row, column, 1] + gain * green)
            out[row, column, 2] = _clip(rest * frame[row, column, 2] + gain * blue)


@jit
def _clip(value):  # type: ignore[no-untyped-def]
    return np.uint8(np.int32(min(max(value + _HEAD_START, 0.0), 255.0)))


def add_plasma(frame: Frame, time: float, iterations: int, sharpness: float, scale: float, gain: float) -> Frame:
    """Clouds of colour by folded sines: (1 - gain / 255) x frame + gain x cloud, cloud from -1 to 1; truncated.

    scale: pixels per radian; time: radians, where in its endless change the cloud is; gain in grey levels.
    """
    out = np.empty(frame.shape, np.uint8)
    _plasma_clouds(np.ascontiguousarray(frame), out, time, iterations, sharpness, 1.0 / scale, gain)
    return out
