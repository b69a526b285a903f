"""The bits of a deflate stream, and the Huffman codes that a block begins with (RFC 1951, 3.2), compiled.

The state of the reader is (bits, held, ip): `bits` holds the next `held` bits, lowest first, and `ip` is the index of
the first byte that is not in it.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, uint64

from robust_vos_bench.scoring.compiled import part
from robust_vos_bench.scoring.fastpng.huffman import FAST_BITS, LENGTH, LITERAL, build_table
from robust_vos_bench.scoring.machine import load64

ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], dtype=np.int64)
"""The order in which a block stores the lengths of its code-length codes."""


@part
def refill(data, bits, held, ip):  # type: ignore[no-untyped-def]
    """The reader with 56 to 63 bits held. Whether they lie inside the stream is for `overrun` to say."""
    bits |= load64(data, ip) << uint64(held)
    ip += (63 - held) >> 3
    return bits, held | 56, ip


@part
def overrun(held, ip, end):  # type: ignore[no-untyped-def]
    """Whether the next bit lies behind byte `end - 1`, the last of the compressed data."""
    return ip - (held >> 3) > end


@part
def fixed_codes(lit_counts, lit_symbols, lit_fast, dist_counts, dist_symbols, dist_fast):  # type: ignore[no-untyped-def]
    """Fill both tables with the fixed codes (RFC 1951, 3.2.6); False never happens for them."""
    lengths = np.empty(288, np.uint8)
    for i in range(288):
        lengths[i] = 8 if i < 144 else (9 if i < 256 else (7 if i < 280 else 8))
    if not build_table(lengths, int64(288), int64(LITERAL), lit_counts, lit_symbols, lit_fast):
        return False
    for i in range(32):
        lengths[i] = 5
    return build_table(lengths, int64(32), int64(LENGTH), dist_counts, dist_symbols, dist_fast)


@part
def read_codes(  # type: ignore[no-untyped-def]
    data, bits, held, ip, end, lit_counts, lit_symbols, lit_fast, dist_counts, dist_symbols, dist_fast
):
    """Fill both tables with the codes that a dynamic block begins with; (fits, bits, held, ip).

    `fits` is False where the description is damaged or ends early; the state is then of no use.
    """
    # Typed, so that the numbers are not compiled in as constants, once for each.
    literal = int64(LITERAL)
    lengths = np.empty(320, np.uint8)
    fast_mask = uint64((1 << FAST_BITS) - 1)
    n_lit = int64(bits & uint64(31)) + 257
    n_dist = int64((bits >> uint64(5)) & uint64(31)) + 1
    n_code = int64((bits >> uint64(10)) & uint64(15)) + 4
    bits >>= uint64(14)
    held -= 14
    if n_lit > 286 or n_dist > 30:
        return False, bits, held, ip
    for i in range(19):
        lengths[i] = 0
    for i in range(n_code):
        if held < 3:
            bits, held, ip = refill(data, bits, held, ip)
            if overrun(held, ip, end):
                return False, bits, held, ip
        lengths[ORDER[i]] = uint8(bits & uint64(7))
        bits >>= uint64(3)
        held -= 3
    # No meaning but the symbol itself: these entries carry it in the upper half.
    if not build_table(lengths, int64(19), literal, lit_counts, lit_symbols, lit_fast):
        return False, bits, held, ip
    i = 0
    while i < n_lit + n_dist:
        bits, held, ip = refill(data, bits, held, ip)
        if overrun(held, ip, end):
            return False, bits, held, ip
        entry = int64(lit_fast[bits & fast_mask])
        size = entry & 255
        if size == 0:
            return False, bits, held, ip
        bits >>= uint64(size)
        held -= size
        symbol = entry >> 16
        if symbol < 16:
            lengths[i] = symbol
            i += 1
            continue
        previous = uint8(0)
        if symbol == 16:
            if i == 0:
                return False, bits, held, ip
            previous = lengths[i - 1]
            repeat = 3 + int64(bits & uint64(3))
            size = 2
        elif symbol == 17:
            repeat = 3 + int64(bits & uint64(7))
            size = 3
        else:
            repeat = 11 + int64(bits & uint64(127))
            size = 7
        bits >>= uint64(size)
        held -= size
        if i + repeat > n_lit + n_dist:
            return False, bits, held, ip
        for _ in range(repeat):
            lengths[i] = previous
            i += 1
    if lengths[256] == 0:
        return False, bits, held, ip
    if not build_table(lengths[n_lit:], n_dist, int64(LENGTH), dist_counts, dist_symbols, dist_fast):
        return False, bits, held, ip
    fits = build_table(lengths, n_lit, literal, lit_counts, lit_symbols, lit_fast)
    return fits, bits, held, ip
