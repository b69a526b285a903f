"""Regular patterns over a frame: waves, rings, a board of squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

from .functions import arctangent, cosine, sine
from .jit import jit

_HEAD_START = 1.0 / 512.0


@jit
def _add_wave(frame, out, down, right, phase, gain):  # type: ignore[no-untyped-def]
    height, width = out.shape[:2]
    swing, rise = np.empty(width), np.empty(width)
    for x in range(width):
        swing[x] = gain * cosine(right * x + phase)
        rise[x] = gain * sine(right * x + phase)
    for y in range(height):
        a, b = sine(down * y), cosine(down * y)
        for x in range(width):
            wave = a * swing[x] + b * rise[x] + _HEAD_START
            for c in range(3):
                out[y, x, c] = np.uint8(np.int32(min(max(frame[y, x, c] + wave, 0.0), 255.0)))


def add_wave(frame: Frame, down: float, right: float, phase: float, gain: float) -> Frame:
    """frame + gain x sin(down y + right x + phase), grey; radians per pixel, gain in grey levels; truncated."""
    out = np.empty(frame.shape, np.uint8)
    _add_wave(np.ascontiguousarray(frame), out, down, right, phase, gain)
    return out


@jit
def _add_rings(frame, out, y0, x0, petals, amplitude, width, shift, gain):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            dy, dx = y - y0, x - x0
            radius = np.sqrt(dx * dx + dy * dy) + amplitude * sine(arctangent(dx, dy) * petals)
            rings = radius / width - shift
            wave = gain * (rings - np.floor(rings) - 0.5) + _HEAD_START
            for c in range(3):
                out[y, x, c] = np.uint8(np.int32(min(max(frame[y, x, c] + wave, 0.0), 255.0)))


def add_rings(
    frame: Frame,
    centre: tuple[float, float],
    petals: float,
    amplitude: float,
    width: float,
    shift: float,
    gain: float,
) -> Frame:
    """frame + gain x a sawtooth of -0.5 to 0.5 by distance from the centre (y, x); truncated.

    Rings of `width` pixels bend by `amplitude` pixels `petals` times a turn, and have opened by `shift` rings.
    """
    out = np.empty(frame.shape, np.uint8)
    _add_rings(np.ascontiguousarray(frame), out, *centre, petals, amplitude, width, shift, gain)
    return out


@jit
def _cut_squares(frame, out, board, down, right, top, left, share):  # type: ignore[no-untyped-def]
    mask = board.shape[0] - 1
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            i = np.int64(np.floor(down * y + right * x + top))
            j = np.int64(np.floor(down * x - right * y + left))
            cut = ((i + j) & 1) == 0 and board[i & mask, j & mask] < share
            for c in range(3):
                out[y, x, c] = 128 if cut else frame[y, x, c]


def cut_squares(
    frame: Frame, board: NDArray[np.float64], side: float, angle: float, place: tuple[float, float], share: float
) -> Frame:
    """Squares of a turned board in grey 128: those of one colour whose number on the board is below `share`.

    board: numbers of 0 to 1 (N, N), N a power of two; side in pixels; angle in radians; place: the square (i, j) at
    the first pixel.
    """
    out = np.empty(frame.shape, np.uint8)
    down, right = cosine(angle) / side, sine(angle) / side
    _cut_squares(np.ascontiguousarray(frame), out, board, down, right, place[0], place[1], share)
    return out
