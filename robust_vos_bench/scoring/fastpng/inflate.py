"""Inflate (RFC 1951) straight into runs of equal bytes, compiled.

A label mask is a few hundred runs of one value. zlib would write half a megabyte for it; here a match copies runs, not
bytes, and Adler-32 is computed from the runs. Every access is checked. A damaged or unusual stream gives a negative
status; the caller then reads the file with `scoring.png`, which names the damage.

The loop over literals and matches is one function on purpose: numba counts references to the arrays at every call that
LLVM does not inline early, and split further, real masks took a fifth longer.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint64

from robust_vos_bench.scoring.compiled import part
from robust_vos_bench.scoring.fastpng.codes import fixed_codes, overrun, read_codes, refill
from robust_vos_bench.scoring.fastpng.huffman import FAST_BITS, LENGTH, LITERAL, STOP, long_code
from robust_vos_bench.scoring.fastpng.runs import adler_fits, copy
from robust_vos_bench.scoring.machine import load64

DAMAGED = -1
"""The stream is not a valid one, is too short or too long, or a checksum does not fit."""
TOO_MANY_RUNS = -2
"""Valid so far, but more runs than the work space holds: noise, not a mask."""


@part
def inflate_runs(data, start, stop, total, runs):  # type: ignore[no-untyped-def]
    """Runs of the zlib stream data[start:stop], which must hold exactly `total` bytes; their number, or a status.

    `data` must be readable for 16 bytes behind `stop`.
    """
    if stop - start < 6 or (data[start] & 15) != 8 or (data[start] >> 4) > 7 or (data[start + 1] & 32) != 0:
        return DAMAGED
    if (int64(data[start]) * 256 + int64(data[start + 1])) % 31 != 0:
        return DAMAGED
    capacity = len(runs)
    end = stop - 4
    ip = start + 2
    bits = uint64(0)
    held = 0
    pos = 0
    last = -1
    value = -1
    hint = 0
    final = False
    # Typed, so that the numbers are not compiled in as constants, once for each.
    literal = int64(LITERAL)
    distances = int64(LENGTH)
    lit_fast = np.empty(1 << FAST_BITS, np.uint32)
    dist_fast = np.empty(1 << FAST_BITS, np.uint32)
    lit_counts = np.empty(16, np.int64)
    dist_counts = np.empty(16, np.int64)
    lit_symbols = np.empty(288, np.int64)
    dist_symbols = np.empty(288, np.int64)
    fast_mask = uint64((1 << FAST_BITS) - 1)
    while not final:
        bits, held, ip = refill(data, bits, held, ip)
        if overrun(held, ip, end):
            return DAMAGED
        final = (bits & uint64(1)) != 0
        kind = int64((bits >> uint64(1)) & uint64(3))
        bits >>= uint64(3)
        held -= 3
        if kind == 0:
            ip -= held >> 3
            bits = uint64(0)
            held = 0
            length = stored_length(data, ip, end)
            ip += 4
            if length < 0 or ip + length > end or pos + length > total:
                return DAMAGED
            for i in range(ip, ip + length):
                byte = int64(data[i])
                if byte != value:
                    last += 1
                    if last >= capacity:
                        return TOO_MANY_RUNS
                    value = byte
                pos += 1
                runs[last] = uint64(pos << 8 | value)
            ip += length
            continue
        if kind == 1:
            fits = fixed_codes(lit_counts, lit_symbols, lit_fast, dist_counts, dist_symbols, dist_fast)
        elif kind == 2:
            fits, bits, held, ip = read_codes(
                data, bits, held, ip, end, lit_counts, lit_symbols, lit_fast, dist_counts, dist_symbols, dist_fast
            )
        else:
            fits = False
        if not fits:
            return DAMAGED
        while True:
            # One refill holds a whole token: at most 15 + 5 + 15 + 13 bits.
            bits |= load64(data, ip) << uint64(held)
            ip += (63 - held) >> 3
            held |= 56
            if ip - (held >> 3) > end:
                return DAMAGED
            entry = int64(lit_fast[bits & fast_mask])
            if entry == 0:
                entry = long_code(bits, lit_counts, lit_symbols, literal)
                if entry < 0:
                    return DAMAGED
            size = entry & 255
            bits >>= uint64(size)
            held -= size
            meaning = (entry >> 12) & 15
            if meaning == LITERAL:
                byte = entry >> 16
                if pos >= total:
                    return DAMAGED
                if byte != value:
                    last += 1
                    if last >= capacity:
                        return TOO_MANY_RUNS
                    value = byte
                pos += 1
                runs[last] = uint64(pos << 8 | value)
                continue
            if meaning != LENGTH:
                if meaning == STOP:
                    break
                return DAMAGED
            extra = (entry >> 8) & 15
            length = (entry >> 16) + int64(bits & ((uint64(1) << uint64(extra)) - uint64(1)))
            bits >>= uint64(extra)
            held -= extra
            entry = int64(dist_fast[bits & fast_mask])
            if entry == 0:
                entry = long_code(bits, dist_counts, dist_symbols, distances)
                if entry < 0:
                    return DAMAGED
            size = entry & 255
            bits >>= uint64(size)
            held -= size
            if (entry >> 12) & 15 != LENGTH:
                return DAMAGED
            extra = (entry >> 8) & 15
            distance = (entry >> 16) + int64(bits & ((uint64(1) << uint64(extra)) - uint64(1)))
            bits >>= uint64(extra)
            held -= extra
            if distance > pos or pos + length > total:
                return DAMAGED
            if distance == 1:
                pos += length
                runs[last] = uint64(pos << 8 | value)
                continue
            last, value, pos, hint = copy(runs, last, value, pos, pos - distance, length, min(hint, last))
            if last >= capacity:
                return TOO_MANY_RUNS
    ip -= held >> 3
    if ip != end or pos != total:
        return DAMAGED
    expected = (
        uint64(data[end]) << uint64(24)
        | uint64(data[end + 1]) << uint64(16)
        | uint64(data[end + 2]) << uint64(8)
        | uint64(data[end + 3])
    )
    if not adler_fits(runs, last + 1, expected):
        return DAMAGED
    return last + 1


@part
def stored_length(data, ip, end):  # type: ignore[no-untyped-def]
    """Bytes of the stored block whose header begins at `ip`; -1 where it is cut off or contradicts itself."""
    if ip + 4 > end:
        return -1
    length = int64(data[ip]) | int64(data[ip + 1]) << 8
    if length ^ 0xFFFF != int64(data[ip + 2]) | int64(data[ip + 3]) << 8:
        return -1
    return length
