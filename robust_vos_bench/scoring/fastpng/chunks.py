"""The container of a PNG, compiled: chunks, their checksums, and the runs of the image data they hold."""

from __future__ import annotations

import numpy as np
from numba import int64, uint64

from robust_vos_bench.scoring.compiled import part
from robust_vos_bench.scoring.fastpng.inflate import inflate_runs
from robust_vos_bench.scoring.machine import load64

UNUSUAL = -3
"""Not a plain 8-bit palette or grey PNG of the expected size with intact checksums."""


def _crc_tables() -> np.ndarray:
    """Tables of CRC-32 (reflected 0xEDB88320) that take eight bytes at once."""
    tables = np.zeros((8, 256), dtype=np.uint32)
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
        tables[0, i] = crc
    for t in range(1, 8):
        tables[t] = tables[t - 1] >> np.uint32(8) ^ tables[0, tables[t - 1] & np.uint32(255)]
    return tables


CRC = _crc_tables()


@part
def crc32(data, start, stop):  # type: ignore[no-untyped-def]
    """CRC-32 of data[start:stop], as PNG chunks carry it."""
    crc = uint64(0xFFFFFFFF)
    low = uint64(255)
    i = start
    while i + 8 <= stop:
        word = load64(data, i) ^ crc
        crc = uint64(0)
        for t in range(7, -1, -1):
            crc ^= uint64(CRC[t, word & low])
            word >>= uint64(8)
        i += 8
    while i < stop:
        crc = uint64(CRC[0, (crc ^ uint64(data[i])) & low]) ^ (crc >> uint64(8))
        i += 1
    return crc ^ uint64(0xFFFFFFFF)


@part
def big_endian(data, i):  # type: ignore[no-untyped-def]
    """The four-byte number at `i`."""
    return int64(data[i]) << 24 | int64(data[i + 1]) << 16 | int64(data[i + 2]) << 8 | int64(data[i + 3])


@part
def png_runs(data, n, height, width, runs):  # type: ignore[no-untyped-def]
    """Runs of the filtered rows of the PNG in data[:n] (overwritten); their number, or a negative status.

    `data` must be readable for 16 bytes behind `n`. Checks the signature, every chunk's CRC and the stream's Adler-32.
    """
    if n < 57 or big_endian(data, int64(0)) != 0x89504E47 or big_endian(data, int64(4)) != 0x0D0A1A0A:
        return UNUSUAL
    i = int64(8)
    first = int64(-1)
    stop = int64(-1)
    closed = 0
    while True:
        if i + 12 > n:
            return UNUSUAL
        length = big_endian(data, i)
        kind = big_endian(data, i + 4)
        if i + 12 + length > n or crc32(data, i + 4, i + 8 + length) != uint64(big_endian(data, i + 8 + length)):
            return UNUSUAL
        if i == 8:
            if kind != 0x49484452 or length != 13:
                return UNUSUAL
            if big_endian(data, int64(16)) != width or big_endian(data, int64(20)) != height or data[24] != 8:
                return UNUSUAL
            if (data[25] != 0 and data[25] != 3) or data[26] != 0 or data[27] != 0 or data[28] != 0:
                return UNUSUAL
        elif kind == 0x49444154:
            if closed:
                return UNUSUAL
            if first < 0:
                first = i + 8
                stop = first
            if stop != i + 8:
                for j in range(length):
                    data[stop + j] = data[i + 8 + j]
            stop += length
        elif kind == 0x49454E44:
            break
        else:
            closed = 1 if first >= 0 else 0
            # Upper-case first letter: critical. Only the palette is known. acTL: an animation.
            if (data[i + 4] & 32 == 0 and kind != 0x504C5445) or kind == 0x6163544C:
                return UNUSUAL
        i += 12 + length
    if first < 0:
        return UNUSUAL
    return inflate_runs(data, first, stop, height * (width + 1), runs)
