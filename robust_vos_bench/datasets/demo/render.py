"""Drawing demo clips by integer arithmetic alone, so that every machine gets the same bits.

Positions are fixed point with 16 fractional bits, bilinear weights have 8 bits; sines and cosines are rounded to
1/65536 before use, which hides the last-digit differences between mathematical libraries. OpenCV's warps would be
faster, but their rounding differs between releases and processors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 16
"""1.0 in fixed point."""


@dataclass(frozen=True)
class Key:
    """Where a thing stands at one moment; between keys it moves along a smooth curve."""

    time: float
    """0 = first frame, 1 = last."""
    x: float
    """Centre, in frame heights from the left edge."""
    y: float
    """Centre, in frame heights from the top."""
    height: float
    """Height of the thing (for a background: of the whole photograph), in frame heights."""
    angle: float = 0.0
    """Degrees, counter-clockwise."""
    squash: float = 1.0
    """Width in units of its natural width; less than 1 looks like turning away, negative is mirrored."""


@dataclass(frozen=True)
class Pose:
    """A key rounded to integers."""

    x: int
    """Centre in 1/65536 pixel."""
    y: int
    a: int
    """Source column per output column, 1/65536; b, c, d alike: the inverse 2 x 2 matrix row by row."""
    b: int
    c: int
    d: int


def interpolate(keys: Sequence[Key], time: float) -> Key:
    """The key at a time: cubic Hermite with Catmull-Rom slopes (only + - * /, which are exact by IEEE 754)."""
    if len(keys) == 1 or time <= keys[0].time:
        return keys[0]
    if time >= keys[-1].time:
        return keys[-1]
    i = max(k for k in range(len(keys) - 1) if keys[k].time <= time)
    span = keys[i + 1].time - keys[i].time
    s = (time - keys[i].time) / span

    def at(field: str) -> float:
        p1, p2 = getattr(keys[i], field), getattr(keys[i + 1], field)
        m1, m2 = p2 - p1, p2 - p1
        if i > 0:
            m1 = (p2 - getattr(keys[i - 1], field)) / (keys[i + 1].time - keys[i - 1].time) * span
        if i + 2 < len(keys):
            m2 = (getattr(keys[i + 2], field) - p1) / (keys[i + 2].time - keys[i].time) * span
        return float(p1 + s * m1 + s * s * (3 * (p2 - p1) - 2 * m1 - m2) + s * s * s * (2 * (p1 - p2) + m1 + m2))

    return Key(time, at("x"), at("y"), at("height"), at("angle"), at("squash"))


def pose(key: Key, source_rows: int, rows: int) -> Pose:
    """The integer pose of a thing `source_rows` high in a frame of `rows`."""
    step = source_rows / (key.height * rows)
    cosine, sine = math.cos(math.radians(key.angle)), math.sin(math.radians(key.angle))
    across = step / key.squash
    return Pose(
        x=round(key.x * rows * ONE),
        y=round(key.y * rows * ONE),
        a=round(round(cosine * ONE) * across),
        b=round(-round(sine * ONE) * across),
        c=round(round(sine * ONE) * step),
        d=round(round(cosine * ONE) * step),
    )


def sway(rows: int, amplitude: float, waves: float, phase: float) -> NDArray[np.int64]:
    """A sideways bend: source column offset by source row, 1/65536 pixel; amplitude in units of the height."""
    if not amplitude:
        return np.zeros(rows, np.int64)
    values = [math.sin(2 * math.pi * (phase + waves * y / rows)) for y in range(rows)]
    return np.array([round(v * ONE) for v in values], np.int64) * round(amplitude * rows * 256) // 256


@dataclass(frozen=True)
class Picture:
    """An RGBA source, packed for sampling: one 64-bit word a pixel, one 16-bit lane a channel."""

    words: NDArray[np.uint64]
    """h * w, row by row."""
    rows: int
    columns: int
    opaque: bool
    """Coverage is 255 everywhere: outside, the picture is mirrored; else there is nothing outside."""


def pack(image: NDArray[np.uint8]) -> Picture:
    """A picture from uint8 h x w x 3 (opaque) or h x w x 4 (last channel = coverage)."""
    rows, columns, channels = image.shape
    lanes = np.full((rows, columns, 4), 255, "<u2")
    lanes[..., :channels] = image
    return Picture(lanes.view("<u8").reshape(-1).astype(np.uint64), rows, columns, channels == 3)


def sample(
    source: Picture, at: Pose, box: tuple[int, int, int, int], bend: NDArray[np.int64] | None = None
) -> NDArray[np.uint8]:
    """Bilinear samples (uint8 RGBA) at the output pixels of `box` (top, bottom, left, right)."""
    top, bottom, left, right = box
    dy = (np.arange(top, bottom, dtype=np.int64) * ONE + ONE // 2 - at.y)[:, None]
    dx = (np.arange(left, right, dtype=np.int64) * ONE + ONE // 2 - at.x)[None]
    v = (dx * at.c + dy * at.d >> 16) + (source.rows * ONE >> 1) - ONE // 2
    u = (dx * at.a + dy * at.b >> 16) + (source.columns * ONE >> 1) - ONE // 2
    if bend is not None:
        u += bend[np.clip(v >> 16, 0, source.rows - 1)]
    y, x = v >> 16, u >> 16
    fy, fx = (v >> 8 & 255).astype(np.uint64), (u >> 8 & 255).astype(np.uint64)
    first_row, row = _fold(y, source.rows, source.columns)
    first_column, column = _fold(x, source.columns, 1)
    y, x = y - first_row, x - first_column
    above, below, before, after = row[y], row[y + 1], column[x], column[x + 1]
    words = source.words
    upper = _mix(words[above + before], words[above + after], fx)
    lower = _mix(words[below + before], words[below + after], fx)
    values = _mix(upper, lower, fy)
    rgba = values.astype("<u8")[..., None].view("<u2").astype(np.uint8)
    if not source.opaque:
        y, x = y + first_row, x + first_column
        rgba[(y < 0) | (y >= source.rows - 1) | (x < 0) | (x >= source.columns - 1), 3] = 0
    return rgba


def _mix(a: NDArray[np.uint64], b: NDArray[np.uint64], weight: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Four lanes at once: round((a * (256 - weight) + b * weight) / 256); no lane exceeds 16 bits."""
    mixed = a * (np.uint64(256) - weight) + b * weight + np.uint64(0x0080_0080_0080_0080)
    return np.asarray(mixed >> np.uint64(8) & np.uint64(0x00FF_00FF_00FF_00FF))


def _fold(index: NDArray[np.int64], length: int, stride: int) -> tuple[int, NDArray[np.int64]]:
    """(lowest index, table from there on): mirrored positions, times `stride`."""
    lowest, highest = int(index.min()), int(index.max())
    folded = np.arange(lowest, highest + 2, dtype=np.int64) % (2 * length)
    return lowest, np.where(folded < length, folded, 2 * length - 1 - folded) * stride


def reach(at: Pose, source: tuple[int, int], frame: tuple[int, int], margin: int = 0) -> tuple[int, int, int, int]:
    """Box (top, bottom, left, right) of the output pixels that a source of (h, w) can touch, inside the frame."""
    determinant = at.a * at.d - at.b * at.c
    half_y, half_x = source[0] / 2 + 2, source[1] / 2 + 2 + margin
    width = (abs(at.d) * half_x + abs(at.b) * half_y) * ONE / abs(determinant)
    height = (abs(at.c) * half_x + abs(at.a) * half_y) * ONE / abs(determinant)
    x, y = at.x / ONE, at.y / ONE
    top, bottom = max(int(y - height) - 1, 0), min(int(y + height) + 2, frame[0])
    left, right = max(int(x - width) - 1, 0), min(int(x + width) + 2, frame[1])
    return top, max(bottom, top), left, max(right, left)


def halve(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half the size: each 2 x 2 block becomes its rounded mean (an odd last row or column is dropped)."""
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    block = image[:rows, :columns].astype(np.uint16)
    total = block[::2, ::2] + block[1::2, ::2] + block[::2, 1::2] + block[1::2, 1::2]
    return (total + 2 >> 2).astype(np.uint8)


def paint(frame: NDArray[np.uint8], layer: NDArray[np.uint8], box: tuple[int, int, int, int], gain: int) -> None:
    """Lay RGBA over the frame in place; gain in 1/256 brightens or darkens the layer."""
    top, bottom, left, right = box
    cover = layer[..., 3:].astype(np.int32)
    colour = np.minimum(layer[..., :3].astype(np.int32) * gain >> 8, 255)
    under = frame[top:bottom, left:right].astype(np.int32)
    frame[top:bottom, left:right] = ((under * (255 - cover) + colour * cover + 127) // 255).astype(np.uint8)


def shade(frame: NDArray[np.uint8], cover: NDArray[np.uint8], box: tuple[int, int, int, int]) -> None:
    """A cast shadow, in place: up to 40 % darker where covered."""
    top, bottom, left, right = box
    under = frame[top:bottom, left:right].astype(np.int32)
    frame[top:bottom, left:right] = (under * (640 - cover[..., None].astype(np.int32)) // 640).astype(np.uint8)


def grain(frame: NDArray[np.uint8], seed: int, strength: int) -> NDArray[np.uint8]:
    """Sensor grain: near-normal noise of about `strength` / 4 grey levels, from raw generator words alone."""
    count = frame.size
    words = np.atleast_1d(np.random.PCG64(seed).random_raw((count + 1) // 2)).astype("<u8")
    quads = words.view(np.uint8).reshape(-1, 4)[:count].astype(np.int32)
    noise = ((quads.sum(1) - 510) * strength + 296) // 592  # a sum of four bytes has standard deviation 148
    return np.asarray(np.clip(frame.astype(np.int32) + noise.reshape(frame.shape), 0, 255), np.uint8)
