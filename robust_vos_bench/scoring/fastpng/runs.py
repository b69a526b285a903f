"""Runs of equal bytes, compiled: copying an earlier stretch, and their checksum.

A run is one uint64: `end << 8 | value`, where `end` is the position behind its last byte. Runs lie in an array in the
order of their bytes; `last` is the index of the newest one, -1 while there is none. Neighbouring runs differ in value.
"""

from __future__ import annotations

from numba import int64, uint64

from robust_vos_bench.scoring.compiled import part


@part
def copy(runs, last, value, pos, source, length, k):  # type: ignore[no-untyped-def]
    """Append the `length` bytes that begin at the earlier position `source`; the new (last, value, pos, k).

    value: that of the newest run. k: index of a run near `source`, to start the search from; the one returned holds the
    last byte that was read. A returned `last` of len(runs) says that the runs do not fit.
    """
    while int64(runs[k] >> uint64(8)) <= source:
        k += 1
    while k > 0 and int64(runs[k - 1] >> uint64(8)) > source:
        k -= 1
    while True:
        if k == last:
            # The source has reached the newest run, which grows with it: everything left has its value.
            pos += length
            runs[last] = uint64(pos << 8 | value)
            return last, value, pos, k
        run = int64(runs[k])
        count = min((run >> 8) - source, length)
        byte = run & 255
        if byte != value:
            last += 1
            if last >= len(runs):
                return last, value, pos, k
            value = byte
        pos += count
        runs[last] = uint64(pos << 8 | value)
        source += count
        length -= count
        if length == 0:
            return last, value, pos, k
        k += 1


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
