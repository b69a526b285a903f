"""Masks as run lengths, in the compressed text of the COCO tools.

The runs alternate between background and object, column by column from the top left. A run is written in groups of five
bits, the lowest first, as characters from "0" on; bit 6 of a character says that another follows, and from the fourth
run on it is the difference from the run before the last (Lin et al., COCO API, maskApi).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.errors import DataError


def decode(text: str, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """The mask of a text, (H, W) bool. Raises DataError, naming `where`, for a text that is none of this size."""
    runs = _runs(text, where)
    if sum(runs) != size[0] * size[1] or any(run < 0 for run in runs):
        raise DataError(f"{where}: the run lengths are not those of a mask of {size[0]} x {size[1]}")
    flags = np.zeros(len(runs), np.bool_)
    flags[1::2] = True
    return np.repeat(flags, runs).reshape(size[1], size[0]).T


def encode(mask: NDArray[np.bool_]) -> str:
    """The text of a mask, (H, W) bool."""
    flat = np.concatenate([[False], mask.T.ravel(), [not mask.T.ravel()[-1] if mask.size else True]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(ends, prepend=0).tolist()
    text = []
    for n, run in enumerate(runs):
        left = run - runs[n - 2] if n > 2 else run
        more = True
        while more:
            bits = left & 0x1F
            left >>= 5
            more = left != (-1 if bits & 0x10 else 0)
            text.append(chr(bits + 48 + (0x20 if more else 0)))
    return "".join(text)


def _runs(text: str, where: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:
            raise DataError(f"{where}: not the run lengths of a mask (character {character!r})")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise DataError(f"{where}: the run lengths of a mask break off")
    return runs
