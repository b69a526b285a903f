"""Canonical Huffman codes of deflate (RFC 1951), compiled: tables, and the decoding of longer codes."""

from __future__ import annotations

import numpy as np
from numba import int64, uint32, uint64

from robust_vos_bench.scoring.compiled import part

FAST_BITS = 10
LITERAL, LENGTH, STOP, INVALID = 0, 1, 2, 3


def _literal_entries() -> np.ndarray:
    """What each literal/length symbol means: base << 16 | kind << 12 | extra bits << 8 (code length comes below)."""
    entries = np.full(288, INVALID << 12, dtype=np.uint32)
    entries[:256] = [value << 16 | LITERAL << 12 for value in range(256)]
    entries[256] = STOP << 12
    base = 3
    for symbol in range(257, 285):
        extra = max(0, (symbol - 261) // 4)
        entries[symbol] = base << 16 | LENGTH << 12 | extra << 8
        base += 1 << extra
    entries[285] = 258 << 16 | LENGTH << 12
    return entries


def _distance_entries() -> np.ndarray:
    """What each distance symbol means: base << 16 | kind << 12 | extra bits << 8."""
    entries = np.full(32, INVALID << 12, dtype=np.uint32)
    base = 1
    for symbol in range(30):
        extra = max(0, symbol // 2 - 1)
        entries[symbol] = base << 16 | LENGTH << 12 | extra << 8
        base += 1 << extra
    return entries


LITERALS = _literal_entries()
DISTANCES = _distance_entries()


@part
def build_table(lengths, n, kind, counts, symbols, fast):  # type: ignore[no-untyped-def]
    """Decoding tables of a canonical Huffman code; False where the code is over-subscribed or incomplete.

    `fast` answers codes of up to FAST_BITS bits at once; `counts` and `symbols` decode the longer ones bit by bit.
    """
    for length in range(16):
        counts[length] = 0
    for i in range(n):
        counts[lengths[i]] += 1
    used = n - counts[0]
    left = 1
    for length in range(1, 16):
        left = (left << 1) - counts[length]
        if left < 0:
            return False
    # A code of one symbol is the one incomplete code that encoders write (a single distance).
    if left > 0 and not (used <= 1 and counts[1] == used):
        return False
    offsets = np.empty(17, np.int64)
    codes = np.empty(17, np.int64)
    offsets[1] = 0
    code = 0
    counts[0] = 0
    for length in range(1, 16):
        code = (code + counts[length - 1]) << 1
        codes[length] = code
        offsets[length + 1] = offsets[length] + counts[length]
    for i in range(1 << FAST_BITS):
        fast[i] = 0
    for i in range(n):
        length = int64(lengths[i])
        if length == 0:
            continue
        symbols[offsets[length]] = i
        offsets[length] += 1
        code = codes[length]
        codes[length] += 1
        if length <= FAST_BITS:
            reverse = 0
            for _ in range(length):
                reverse = reverse << 1 | (code & 1)
                code >>= 1
            entry = uint32((LITERALS[i] if kind == LITERAL else DISTANCES[i]) | length)
            while reverse < (1 << FAST_BITS):
                fast[reverse] = entry
                reverse += 1 << length
    return True


@part
def long_code(bits, counts, symbols, kind):  # type: ignore[no-untyped-def]
    """The entry of a code that the fast table does not hold, with its length; -1 where no code matches."""
    code = 0
    first = 0
    index = 0
    for length in range(1, 16):
        code |= int64(bits & uint64(1))
        bits >>= uint64(1)
        count = counts[length]
        if code - count < first:
            symbol = symbols[index + code - first]
            return int64(LITERALS[symbol] if kind == LITERAL else DISTANCES[symbol]) | length
        index += count
        first = (first + count) << 1
        code <<= 1
    return -1
