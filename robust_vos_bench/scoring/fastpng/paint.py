"""From runs or dense masks to one bit plane per object, compiled.

A plane is uint64 (H, S), S = ceil(W / 64) + 1: pixel x of a row is bit x % 64 of word x // 64, and the last word of
each row stays zero, so that a row's right neighbour may always be read. `boxes` holds, per object, the area and the
bounding box: (area, y0, y1, x0, x1), ends exclusive.
"""

from __future__ import annotations

import numpy as np
from numba import int64, types, uint8, uint64

from robust_vos_bench.scoring.compiled import kernel, part
from robust_vos_bench.scoring.fastpng.inflate import DAMAGED
from robust_vos_bench.scoring.machine import load64, zeros

STRAY = 255
"""Entry of a label table: this label belongs to no object of the video."""
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@part
def paint_run(plane, box, y, x0, x1):  # type: ignore[no-untyped-def]
    """Set pixels x0..x1-1 of row y and widen the box."""
    if box[0] == 0:
        box[1] = y
        box[3] = x0
        box[4] = x1
    box[0] += x1 - x0
    box[2] = y + 1
    box[3] = min(box[3], x0)
    box[4] = max(box[4], x1)
    w0 = x0 >> 6
    w1 = (x1 - 1) >> 6
    head = _ALL << uint64(x0 & 63)
    tail = _ALL >> uint64(63 - ((x1 - 1) & 63))
    if w0 == w1:
        plane[y, w0] |= head & tail
        return
    plane[y, w0] |= head
    for w in range(w0 + 1, w1):
        plane[y, w] = _ALL
    plane[y, w1] |= tail


@part
def clear(planes, boxes):  # type: ignore[no-untyped-def]
    """Empty the planes: only rows inside a box can hold anything."""
    for k in range(len(boxes)):
        if boxes[k, 0]:
            planes[k, boxes[k, 1] : boxes[k, 2]] = uint64(0)
            boxes[k, :] = 0


@part
def recover(method, delta, left, up, corner):  # type: ignore[no-untyped-def]
    """The byte that a PNG row filter hides (PNG 3rd edition, clause 9)."""
    if method == 0:
        return delta
    if method == 1:
        return (delta + left) & 255
    if method == 2:
        return (delta + up) & 255
    if method == 3:
        return (delta + ((left + up) >> 1)) & 255
    p = left + up - corner
    a, b, c = abs(p - left), abs(p - up), abs(p - corner)
    if a <= b and a <= c:
        return (delta + left) & 255
    if b <= c:
        return (delta + up) & 255
    return (delta + corner) & 255


@part
def paint_runs(runs, height, width, rows, table, planes, boxes):  # type: ignore[no-untyped-def]
    """Undo the row filters in the domain of runs and paint the objects.

    `rows` is int64 (2, W + 1): the runs of this row and of the one above. Returns the largest stray label (0 if none),
    or DAMAGED for an unknown filter.
    """
    clear(planes, boxes)
    stride = width + 1
    stray = 0
    above, here = 0, 1
    rows[above, 0] = width << 8
    k = 0
    y = 0
    while y < height:
        base = y * stride
        run = int64(runs[k])
        method = run & 255
        if run >> 8 <= base + 1:
            k += 1
        elif method == 0 and run >> 8 >= base + stride:
            # Whole rows of background.
            y += ((run >> 8) - base) // stride
            if run >> 8 <= y * stride:
                k += 1
            rows[above, 0] = width << 8
            continue
        if method > 4:
            return DAMAGED
        base += 1
        m = -1
        current = -1
        if method == 0:
            x = 0
            while x < width:
                run = int64(runs[k])
                value = run & 255
                stop = (run >> 8) - base
                if stop <= width:
                    k += 1
                else:
                    stop = width
                m += 1
                rows[here, m] = stop << 8 | value
                label = table[value]
                if label == STRAY:
                    stray = max(stray, value)
                elif label:
                    paint_run(planes[label - 1], boxes[label - 1], y, x, stop)
                x = stop
        else:
            x = 0
            j = 0
            left = int64(0)
            corner = int64(0)
            while x < width:
                run = int64(runs[k])
                delta = run & 255
                stop = min((run >> 8) - base, width)
                up = rows[above, j] & 255
                until = min(stop, rows[above, j] >> 8)
                if until == stop and (run >> 8) - base <= width:
                    k += 1
                if until == rows[above, j] >> 8:
                    j += 1
                while x < until:
                    value = recover(method, delta, left, up, corner)
                    corner = up
                    step = x + 1
                    # A value that reproduces itself under the same delta and neighbours fills the whole stretch.
                    if step < until and recover(method, delta, value, up, up) == value:
                        step = until
                    if value != current:
                        current = value
                        m += 1
                    rows[here, m] = step << 8 | value
                    left = value
                    x = step
            x = 0
            for i in range(m + 1):
                stop = rows[here, i] >> 8
                value = rows[here, i] & 255
                label = table[value]
                if label == STRAY:
                    stray = max(stray, value)
                elif label:
                    paint_run(planes[label - 1], boxes[label - 1], y, x, stop)
                x = stop
        above, here = here, above
        y += 1
    return stray


@part
def paint_stretch(start, stop, width, plane, box):  # type: ignore[no-untyped-def]
    """Paint pixels start..stop-1 of the image read row after row."""
    y = start // width
    x = start - y * width
    left = stop - start
    while left > 0:
        take = min(width - x, left)
        paint_run(plane, box, y, x, x + take)
        left -= take
        y += 1
        x = int64(0)


READ_ONLY = types.Array(uint8, 1, "C", readonly=True)
"""Bytes that are only read: frames from elsewhere may be write-protected."""


@kernel(int64(READ_ONLY, int64, uint8[::1], uint64[:, :, ::1], int64[:, ::1]))
def paint_dense(flat, width, table, planes, boxes):  # type: ignore[no-untyped-def]
    """Paint the objects of a dense label mask, given row after row; the largest stray label, 0 if none."""
    clear(planes, boxes)
    n = len(flat)
    stray = int64(0)
    x = int64(0)
    while x < n:
        start = x
        value = flat[x]
        pattern = uint64(value) * uint64(0x0101010101010101)
        while x + 64 <= n:
            other = uint64(0)
            for i in range(0, 64, 8):
                other |= load64(flat, x + i) ^ pattern
            if other:
                break
            x += 64
        while x + 8 <= n:
            other = load64(flat, x) ^ pattern
            if other:
                # Little-endian: the lowest byte that differs is the first.
                x += int64(zeros(other) >> uint64(3))
                break
            x += 8
        if x + 8 > n:
            while x < n and flat[x] == value:
                x += 1
        label = table[value]
        if label == STRAY:
            stray = max(stray, int64(value))
        elif label:
            paint_stretch(start, x, width, planes[label - 1], boxes[label - 1])
    return stray
