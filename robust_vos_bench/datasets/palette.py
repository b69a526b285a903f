"""The colours of indexed masks: the colour map that DAVIS and PASCAL VOC share."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=1)
def palette() -> bytes:
    """768 bytes, R G B of ids 0..255: bit `3 i + c` of the id becomes bit `7 - i` of channel c (PASCAL VOC devkit)."""
    colours = bytearray(768)
    for index in range(256):
        for bit in range(3):
            for channel in range(3):
                if index >> (3 * bit + channel) & 1:
                    colours[3 * index + channel] |= 1 << (7 - bit)
    return bytes(colours)


@lru_cache(maxsize=1)
def colour_ids() -> dict[tuple[int, int, int], int]:
    """RGB colour -> the id that has it in `palette`."""
    table = palette()
    return {(table[3 * i], table[3 * i + 1], table[3 * i + 2]): i for i in range(256)}
