"""Noise by table: a uint8 pixel plus noise is a discrete distribution, drawn exactly (to 2**-32) by its inverse.

For whole grey levels v, floor(v + s n) = v + floor(s n), so that the truncated output of the reference needs one
table for all pixels where the noise does not depend on the pixel, and one row a grey level where it does.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

from .jit import jit

EXTRA = 1 << 15


def words16(rng: np.random.Generator, n: int) -> NDArray[np.uint16]:
    """n uniform 16-bit words; four from each 64-bit draw, lowest first."""
    raw = np.atleast_1d(rng.bit_generator.random_raw((n + 3) // 4)).astype("<u8", copy=False)
    return raw.view("<u2")[:n]


def words32(rng: np.random.Generator, n: int) -> NDArray[np.uint32]:
    """n uniform 32-bit words; two from each 64-bit draw, lowest first."""
    raw = np.atleast_1d(rng.bit_generator.random_raw((n + 1) // 2)).astype("<u8", copy=False)
    return raw.view("<u4")[:n]


def _thresholds(cdf: NDArray[np.float64]) -> NDArray[np.uint32]:
    return np.minimum(np.rint(cdf * 2.0**32), 2.0**32 - 1).astype(np.uint32)


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@lru_cache(maxsize=16)
def normal_table(std: float) -> tuple[int, NDArray[np.uint32], NDArray[np.uint16]]:
    """(lowest value, P(floor(std n) <= value) in 2**-32, first value that a 16-bit bin can mean)."""
    low, high = math.floor(-6.4 * std), math.floor(6.4 * std)
    cdf = np.array([_phi((value + 1) / std) for value in range(low, high)] + [1.0])
    table = _thresholds(cdf)
    starts = np.arange(1 << 16, dtype=np.uint64) << np.uint64(16)
    return low, table, np.searchsorted(table[:-1], starts, side="right").astype(np.uint16)


@jit
def _add_shift(flat, out, words, extra, low, table, first):  # type: ignore[no-untyped-def]
    last = table.size - 1
    used = 0
    for i in range(flat.size):
        word = words[i]
        k = first[word]
        # Only a bin that a threshold cuts needs its lower 16 bits.
        if k < last and (table[k] >> 16) == word:
            fine = (np.uint32(word) << np.uint32(16)) | np.uint32(extra[used & (extra.size - 1)])
            used += 1
            while k < last and fine >= table[k]:
                k += 1
        value = np.int32(flat[i]) + np.int32(k) + low
        out[i] = min(max(value, 0), 255)


def add_normal(frame: Frame, std: float, rng: np.random.Generator) -> Frame:
    """floor(frame + std x standard normal), clipped to 0..255; std in grey levels."""
    low, table, first = normal_table(float(std))
    flat = np.ascontiguousarray(frame).reshape(-1)
    out = np.empty_like(flat)
    _add_shift(flat, out, words16(rng, flat.size), words16(rng, EXTRA), low, table, first)
    return out.reshape(frame.shape)


def _rows(cdf: NDArray[np.float64]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    table = _thresholds(cdf)
    starts = np.arange(256, dtype=np.uint64) << np.uint64(24)
    first = np.stack([np.searchsorted(row[:-1], starts, side="right") for row in table])
    return table, first.astype(np.uint8)


@lru_cache(maxsize=16)
def poisson_rows(photons: float) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    counts = np.arange(math.ceil(photons) + 1)
    levels = np.floor(np.minimum(counts / photons, 1.0) * 255.0).astype(int)
    cdf = np.zeros((256, 256))
    for v in range(256):
        mean, mass = v / 255.0 * photons, 0.0
        pmf = math.exp(-mean)
        for count, level in enumerate(levels[:-1]):
            mass += pmf
            cdf[v, level] = mass
            pmf *= mean / (count + 1)
    cdf[:, 255] = 1.0
    return _rows(np.maximum.accumulate(cdf, axis=1))


@lru_cache(maxsize=16)
def speckle_rows(std: float) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    cdf = np.ones((256, 256))
    cdf[0] = 1.0
    for v in range(1, 256):
        cdf[v, :255] = [_phi((level + 1 - v) / (v * std)) for level in range(255)]
    return _rows(cdf)


@jit
def _draw_rows(flat, out, words, table, first):  # type: ignore[no-untyped-def]
    for i in range(flat.size):
        v, word = flat[i], words[i]
        k = np.int32(first[v, word >> np.uint32(24)])
        while k < 255 and word >= table[v, k]:
            k += 1
        out[i] = k


def _by_rows(frame: Frame, tables: tuple[NDArray[np.uint32], NDArray[np.uint8]], rng: np.random.Generator) -> Frame:
    flat = np.ascontiguousarray(frame).reshape(-1)
    out = np.empty_like(flat)
    _draw_rows(flat, out, words32(rng, flat.size), *tables)
    return out.reshape(frame.shape)


def poisson(frame: Frame, photons: float, rng: np.random.Generator) -> Frame:
    """Counts of a Poisson process whose mean at white is `photons`, scaled back, clipped and truncated to uint8."""
    return _by_rows(frame, poisson_rows(float(photons)), rng)


def speckle(frame: Frame, std: float, rng: np.random.Generator) -> Frame:
    """floor(frame x (1 + std x standard normal)), clipped to 0..255."""
    return _by_rows(frame, speckle_rows(float(std)), rng)


@jit
def _impulses(flat, out, words, extra, pepper, both):  # type: ignore[no-untyped-def]
    used = 0
    for i in range(flat.size):
        word = words[i]
        out[i] = flat[i]
        if word <= (both >> 16):
            fine = (np.uint32(word) << np.uint32(16)) | np.uint32(extra[used & (extra.size - 1)])
            used += 1
            if fine < pepper:
                out[i] = 0
            elif fine < both:
                out[i] = 255


def impulses(frame: Frame, amount: float, rng: np.random.Generator) -> Frame:
    """Each value (pixel and channel) becomes 0 or 255 with probability `amount`, half of them each."""
    flat = np.ascontiguousarray(frame).reshape(-1)
    out = np.empty_like(flat)
    both = np.uint32(round(amount * 2.0**32))
    pepper = np.uint32(round(amount * 2.0**31))
    _impulses(flat, out, words16(rng, flat.size), words16(rng, EXTRA), pepper, both)
    return out.reshape(frame.shape)
