"""Light: stars with rays, and what waves of water do to it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

from .filters import gaussian_kernel
from .functions import arctangent, cosine, power, sine
from .jit import jit
from .weather import smooth_plane

_HEAD_START = 1.0 / 512.0
ETA = 4.0
"""Ratio of the refractive indices of the water and the air."""


@jit
def _shine(field, y0, x0, rays, turned, exponent):  # type: ignore[no-untyped-def]
    n = rays.size - 1
    place, square = np.empty(field.shape[1]), np.empty(field.shape[1])
    for y in range(field.shape[0]):
        dy = y - y0
        for x in range(field.shape[1]):
            dx = x - x0
            turn = arctangent(dx, dy) * (0.5 / math.pi) + 0.5 + turned
            place[x] = (turn - np.floor(turn)) * n
            square[x] = dy * dy + dx * dx + 1e-4
        for x in range(field.shape[1]):
            i = min(np.int64(place[x]), n - 1)
            f = place[x] - i
            length = rays[i] + f * (rays[i + 1] - rays[i])
            glow = length * length / square[x]
            if exponent != 1.0:
                glow = power(glow, exponent) if glow > 1e-30 else 0.0
            field[y, x] *= 1.0 - min((1.0 - (f - 0.5) * (f - 0.5)) * glow, 1.0)


def dim_by_star(
    field: NDArray[np.float64], centre: tuple[float, float], rays: NDArray[np.float64], turned: float, exponent: float
) -> None:
    """Multiply a field (H, W), in place, by 1 - the glow of a star.

    The glow is (length of the ray / distance)^(2 exponent), 1 at most.

    centre: (y, x); rays: lengths in pixels around the circle; turned: turns of the whole star.
    """
    _shine(field, centre[0], centre[1], np.append(rays, rays[0]), turned, exponent)


@jit
def _fade(frame, field, out):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            keep = field[y, x]
            white = 255.0 * (1.0 - keep) + _HEAD_START
            for c in range(3):
                out[y, x, c] = np.uint8(np.int32(min(keep * frame[y, x, c] + white, 255.0)))


def fade_to_white(frame: Frame, keep: NDArray[np.float64]) -> Frame:
    """keep x frame + (1 - keep) x white for a share (H, W) of 0 to 1; truncated."""
    out = np.empty(frame.shape, np.uint8)
    _fade(np.ascontiguousarray(frame), keep, out)
    return out


@jit
def _caustics(out, time, step, top, left):  # type: ignore[no-untyped-def]
    inten = 0.005
    for row in range(out.shape[0]):
        v = (row + top) * step
        py = (v - np.floor(v)) * (2.0 * math.pi) - 250.0
        for column in range(out.shape[1]):
            u = (column + left) * step
            px = (u - np.floor(u)) * (2.0 * math.pi) - 250.0
            iy, ix = py, px
            total = 1.0
            for n in range(5):
                t = time * (1.0 - 3.5 / (n + 1))
                y, x = iy, ix
                iy = py + cosine(t - y) + sine(t + x)
                ix = px + sine(t - x) + cosine(t + y)
                a, b = sine(iy + t), cosine(ix + t)
                # The reference divides by a and b; written so that nothing divides by 0.
                far = np.sqrt((py * inten * b) ** 2 + (px * inten * a) ** 2)
                total += abs(a * b) / far if far > 1e-12 else 0.0
            bright = abs(1.17 - power(total / 5.0, 1.4))
            bright = bright * bright
            bright = bright * bright
            out[row, column] = min(bright * bright, 1.0)


def caustics(size: tuple[int, int], time: float, period: float, margin: int) -> NDArray[np.float32]:
    """Light that waves of water gather, 0 to 1, float32 (H, W) with a margin on all sides; endless with `period`.

    time: radians, where in its change the water is. Smoothed by one point, as the source does.
    """
    wide = margin + gaussian_kernel(1.0).size - 1
    field = np.empty((size[0] + 2 * wide, size[1] + 2 * wide), np.float32)
    _caustics(field, time, 1.0 / period, -wide, -wide)
    cut = wide - margin
    return np.ascontiguousarray(smooth_plane(field, 1.0)[cut : field.shape[0] - cut, cut : field.shape[1] - cut])


@jit
def _bend(light, down, right, gain):  # type: ignore[no-untyped-def]
    for y in range(down.shape[0]):
        for x in range(down.shape[1]):
            ny = np.float64(light[y + 2, x + 1]) - np.float64(light[y, x + 1])
            nx = np.float64(light[y + 1, x + 2]) - np.float64(light[y + 1, x])
            slope = ny * ny + nx * nx
            cos_in = 1.0 / np.sqrt(1.0 + slope)
            gain[y, x] = ny - nx
            down[y, x] = 0.0
            right[y, x] = 0.0
            # Nearly level water does not bend the light, in the source too.
            if cos_in < 0.999:
                cos_out = np.sqrt(1.0 - slope * cos_in * cos_in / (ETA * ETA))
                bent = cos_in * (cos_out - cos_in / ETA)
                down[y, x] = ny * bent
                right[y, x] = nx * bent


def bend(
    light: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(down, right, gain), float32 (H, W) each, of light (H + 2, W + 2): where the refracted ray goes, and how much
    brighter the slope is."""
    shape = (light.shape[0] - 2, light.shape[1] - 2)
    down, right, gain = (np.empty(shape, np.float32) for _ in range(3))
    _bend(light, down, right, gain)
    return down, right, gain


@jit
def _stretch(plane, out, step):  # type: ignore[no-untyped-def]
    last_row, last_column = plane.shape[0] - 1, plane.shape[1] - 1
    for y in range(out.shape[0]):
        v = min(y * step, np.float64(last_row))
        i = min(np.int64(v), last_row)
        i1 = min(i + 1, last_row)
        down = np.float32(v - i)
        for x in range(out.shape[1]):
            u = min(x * step, np.float64(last_column))
            j = min(np.int64(u), last_column)
            j1 = min(j + 1, last_column)
            right = np.float32(u - j)
            upper = plane[i, j] + right * (plane[i, j1] - plane[i, j])
            lower = plane[i1, j] + right * (plane[i1, j1] - plane[i1, j])
            out[y, x] = upper + down * (lower - upper)


def stretch(plane: NDArray[np.float32], size: tuple[int, int], step: float) -> NDArray[np.float32]:
    """The plane at (step y, step x) for each pixel of `size`, linear between its points, the last ones repeated."""
    out = np.empty(size, np.float32)
    _stretch(plane, out, step)
    return out


@jit
def _lighten(frame, gain, out):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                value = np.float32(frame[y, x, c]) + gain[y, x] + np.float32(_HEAD_START)
                out[y, x, c] = np.uint8(np.int32(min(max(value, np.float32(0.0)), np.float32(255.0))))


def lighten(frame: Frame, gain: NDArray[np.float32]) -> Frame:
    """frame + gain (H, W) in grey levels; truncated."""
    out = np.empty(frame.shape, np.uint8)
    _lighten(np.ascontiguousarray(frame), gain, out)
    return out
