"""Inflate (RFC 1951) straight into runs of equal bytes, compiled.

A label mask holds a few hundred runs of one value, so the half a megabyte that zlib would write is never made: a match
copies runs instead of bytes, and Adler-32 follows from the runs in closed form. Every access is checked; whatever is
damaged or unusual ends with a negative status, and the caller then takes the slow road, which says what is wrong.

A run is one int64: `end << 8 | value`, where `end` is the position behind its last byte.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, uint64

from robust_vos_bench.scoring.compiled import part
from robust_vos_bench.scoring.fastpng.huffman import FAST_BITS, LENGTH, LITERAL, STOP, build_table, long_code
from robust_vos_bench.scoring.machine import load64

DAMAGED = -1
"""The stream is not a valid one, is too short or too long, or a checksum does not fit."""
TOO_MANY_RUNS = -2
"""Valid so far, but more runs than the work space holds: noise, not a mask."""

ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], dtype=np.int64)


@part
def adler_fits(runs, n, expected):  # type: ignore[no-untyped-def]
    """Whether the Adler-32 of the bytes that the runs stand for is the expected one.

    64 bits hold the unreduced sums of up to 2^28 bytes, so the modulus waits for the end.
    """
    a = uint64(1)
    b = uint64(0)
    start = uint64(0)
    for k in range(n):
        run = runs[k]
        end = run >> uint64(8)
        value = run & uint64(255)
        length = end - start
        b += length * a
        if value:
            b += value * (length * (length + uint64(1)) // uint64(2))
            a += value * length
        start = end
    return (b % uint64(65521)) << uint64(16) | (a % uint64(65521)) == expected


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
    # Typed, so that the numbers are not compiled in as constants, once for each.
    literal = int64(LITERAL)
    distances = int64(LENGTH)
    end = stop - 4
    ip = start + 2
    bits = uint64(0)
    held = 0
    pos = 0
    last = -1
    value = -1
    hint = 0
    final = False
    lit_fast = np.empty(1 << FAST_BITS, np.uint32)
    dist_fast = np.empty(1 << FAST_BITS, np.uint32)
    lit_counts = np.empty(16, np.int64)
    dist_counts = np.empty(16, np.int64)
    lit_symbols = np.empty(288, np.int64)
    dist_symbols = np.empty(288, np.int64)
    lengths = np.empty(320, np.uint8)
    fast_mask = uint64((1 << FAST_BITS) - 1)
    while not final:
        bits |= load64(data, ip) << uint64(held)
        ip += (63 - held) >> 3
        held |= 56
        if ip - (held >> 3) > end:
            return DAMAGED
        final = (bits & uint64(1)) != 0
        kind = int64((bits >> uint64(1)) & uint64(3))
        bits >>= uint64(3)
        held -= 3
        if kind == 0:
            ip -= held >> 3
            bits = uint64(0)
            held = 0
            if ip + 4 > end:
                return DAMAGED
            length = int64(data[ip]) | int64(data[ip + 1]) << 8
            if length ^ 0xFFFF != int64(data[ip + 2]) | int64(data[ip + 3]) << 8:
                return DAMAGED
            ip += 4
            if ip + length > end or pos + length > total:
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
        if kind == 3:
            return DAMAGED
        if kind == 1:
            for i in range(288):
                lengths[i] = 8 if i < 144 else (9 if i < 256 else (7 if i < 280 else 8))
            if not build_table(lengths, int64(288), literal, lit_counts, lit_symbols, lit_fast):
                return DAMAGED
            for i in range(32):
                lengths[i] = 5
            if not build_table(lengths, int64(32), distances, dist_counts, dist_symbols, dist_fast):
                return DAMAGED
        else:
            n_lit = int64(bits & uint64(31)) + 257
            n_dist = int64((bits >> uint64(5)) & uint64(31)) + 1
            n_code = int64((bits >> uint64(10)) & uint64(15)) + 4
            bits >>= uint64(14)
            held -= 14
            if n_lit > 286 or n_dist > 30:
                return DAMAGED
            for i in range(19):
                lengths[i] = 0
            for i in range(n_code):
                if held < 3:
                    bits |= load64(data, ip) << uint64(held)
                    ip += (63 - held) >> 3
                    held |= 56
                    if ip - (held >> 3) > end:
                        return DAMAGED
                lengths[ORDER[i]] = uint8(bits & uint64(7))
                bits >>= uint64(3)
                held -= 3
            # No meaning but the symbol itself: these entries carry it in the upper half.
            if not build_table(lengths, int64(19), literal, lit_counts, lit_symbols, lit_fast):
                return DAMAGED
            i = 0
            while i < n_lit + n_dist:
                bits |= load64(data, ip) << uint64(held)
                ip += (63 - held) >> 3
                held |= 56
                if ip - (held >> 3) > end:
                    return DAMAGED
                entry = int64(lit_fast[bits & fast_mask])
                size = entry & 255
                if size == 0:
                    return DAMAGED
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
                        return DAMAGED
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
                    return DAMAGED
                for _ in range(repeat):
                    lengths[i] = previous
                    i += 1
            if lengths[256] == 0:
                return DAMAGED
            if not build_table(lengths[n_lit:], n_dist, distances, dist_counts, dist_symbols, dist_fast):
                return DAMAGED
            if not build_table(lengths, n_lit, literal, lit_counts, lit_symbols, lit_fast):
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
            source = pos - distance
            k = min(hint, last)
            while int64(runs[k] >> uint64(8)) <= source:
                k += 1
            while k > 0 and int64(runs[k - 1] >> uint64(8)) > source:
                k -= 1
            while True:
                if k == last:
                    pos += length
                    runs[last] = uint64(pos << 8 | value)
                    break
                run = int64(runs[k])
                take = min((run >> 8) - source, length)
                byte = run & 255
                if byte != value:
                    last += 1
                    if last >= capacity:
                        return TOO_MANY_RUNS
                    value = byte
                pos += take
                runs[last] = uint64(pos << 8 | value)
                source += take
                length -= take
                if length == 0:
                    break
                k += 1
            hint = k
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
