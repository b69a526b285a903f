"""Boundaries, disk dilation and the seven counts on bit planes, compiled.

The truth is a `FrameTruth` (see `geometry`): three cropped planes per object, so that each prediction scored
against it costs one dilation.
"""

from __future__ import annotations

from numba import int64, uint8, uint64, void

from robust_vos_bench.scoring.compiled import kernel, part
from robust_vos_bench.scoring.fastpng.chunks import png_runs
from robust_vos_bench.scoring.fastpng.paint import paint_dense, paint_runs
from robust_vos_bench.scoring.geometry import STRIP
from robust_vos_bench.scoring.machine import ones


@part
def boundary(plane, width, y0, y1, w0, out):  # type: ignore[no-untyped-def]
    """Boundary map of rows y0..y1-1, from word w0 on, into `out` (rows, words); the number of boundary pixels.

    A pixel is boundary where it differs from its right, lower or lower right neighbour; the last row knows only the
    right one, the last column only the lower one, the last pixel none (the official `seg2bmap`).
    """
    height = plane.shape[0]
    words = out.shape[1]
    edge = ((width - 1) >> 6) - w0
    bit = uint64(1) << uint64((width - 1) & 63)
    total = uint64(0)
    for y in range(y0, y1):
        a = plane[y, w0 : w0 + words]
        b = plane[y, w0 + 1 : w0 + 1 + words]
        target = out[y - y0]
        if y + 1 < height:
            c = plane[y + 1, w0 : w0 + words]
            d = plane[y + 1, w0 + 1 : w0 + 1 + words]
            for i in range(words):
                e = a[i] >> uint64(1) | b[i] << uint64(63)
                se = c[i] >> uint64(1) | d[i] << uint64(63)
                target[i] = (a[i] ^ e) | (a[i] ^ c[i]) | (a[i] ^ se)
            if edge < words:
                target[edge] = (target[edge] & ~bit) | ((a[edge] ^ c[edge]) & bit)
        else:
            for i in range(words):
                target[i] = a[i] ^ (a[i] >> uint64(1) | b[i] << uint64(63))
            if edge < words:
                target[edge] &= ~bit
        for i in range(words):
            total += ones(target[i])
    return int64(total)


@part
def dilate(edge, y0, y1, c0, c1, margin, half, scratch):  # type: ignore[no-untyped-def]
    """Rows y0..y1-1 of the dilation of `edge` (rows, words) by the disk, as an array (y1 - y0, stride).

    Only words c0..c1-1 of `edge` are taken; outside it nothing is set, and y0, y1 may lie there. Word j of the result
    is word c0 - margin + j of the same grid: `margin` spare words on both sides (`Geometry.margin`) take what is pushed
    over the ends, so that all rows can be shifted as one bit string and no two ever meet.

    The disk is the union of 2r + 1 shifted row dilations; those of growing half width are built from one another: reach
    h grows to h + s by ORing both shifts by s <= 2h + 1.
    """
    r = len(half) - 1
    n = c1 - c0
    stride = n + 2 * margin
    rows = y1 - y0
    m = (rows + 2 * r) * stride
    # One word of zeros before and behind each of the two buffers.
    source = scratch[: m + 2]
    spare = scratch[m + 2 : 2 * m + 4]
    out = scratch[2 * m + 4 : 2 * m + 4 + rows * stride]
    source[:] = uint64(0)
    spare[0] = uint64(0)
    spare[m + 1] = uint64(0)
    for y in range(max(y0 - r, 0), min(y1 + r, edge.shape[0])):
        at = 1 + (y - y0 + r) * stride + margin
        line = source[at : at + n]
        given = edge[y, c0:c1]
        for i in range(n):
            line[i] = given[i]
    out[:] = uint64(0)
    reach = 0
    for dy in range(r, -1, -1):
        while reach < half[dy]:
            step = min(2 * reach + 1, half[dy] - reach, 63)
            reach += step
            s = uint64(step)
            t = uint64(64 - step)
            before = source[:m]
            here = source[1 : 1 + m]
            after = source[2 : 2 + m]
            target = spare[1 : 1 + m]
            for i in range(m):
                x = here[i]
                target[i] = x | x << s | before[i] >> t | x >> s | after[i] << t
            source, spare = spare, source
        upper = source[1 + (r - dy) * stride : 1 + (r - dy + rows) * stride]
        lower = source[1 + (r + dy) * stride : 1 + (r + dy + rows) * stride]
        for i in range(rows * stride):
            out[i] |= upper[i] | lower[i]
    return out.reshape((rows, stride))


@kernel(int64(uint64[:, :, ::1], int64[:, ::1], int64, int64[::1], uint64[::1], int64[:, ::1], uint64[::1]))
def crop_truth(planes, boxes, width, half, scratch, table, words):  # type: ignore[no-untyped-def]
    """Fill `table` and `words` with the crops of every object (layout: `geometry`); the number of words used.

    Returns minus the number needed, and writes no words, where `words` is too small.
    """
    height = planes.shape[1]
    r = len(half) - 1
    margin = (r + 63) // 64
    last = (width + 63) // 64
    used = 0
    for k in range(len(boxes)):
        area, y0, y1, x0, x1 = boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4]
        table[k, :] = 0
        if area == 0:
            continue
        table[k, 0] = used
        table[k, 1] = max(y0 - 1 - r, 0)
        table[k, 2] = min(y1 + r, height)
        table[k, 3] = max(x0 - 1 - r, 0) >> 6
        table[k, 4] = min((min(x1 + r, width) + 63) >> 6, last)
        table[k, 5] = area
        table[k, 7] = max(y0 - 1, 0)
        table[k, 8] = y1
        table[k, 9] = max(x0 - 1, 0) >> 6
        table[k, 10] = (x1 + 63) >> 6
        used += 3 * (table[k, 2] - table[k, 1]) * (table[k, 4] - table[k, 3])
    if used > len(words):
        return -used
    for k in range(len(boxes)):
        if table[k, 5] == 0:
            continue
        top, bottom, w0, w1 = table[k, 1], table[k, 2], table[k, 3], table[k, 4]
        rows = bottom - top
        n = w1 - w0
        crop = words[table[k, 0] : table[k, 0] + 3 * rows * n].reshape((3, rows, n))
        for y in range(rows):
            target = crop[0, y]
            given = planes[k, top + y, w0:w1]
            for i in range(n):
                target[i] = given[i]
        table[k, 6] = boundary(planes[k], width, top, bottom, w0, crop[1])
        c0 = table[k, 9] - w0
        c1 = table[k, 10] - w0
        # Words farther from the boundary than the margin hold nothing.
        a0 = max(c0 - margin, 0)
        an = min(c1 + margin, n) - a0
        if an < n:
            crop[2] = uint64(0)
        for y0 in range(0, rows, STRIP):
            y1 = min(y0 + STRIP, rows)
            wide = dilate(crop[1], y0, y1, c0, c1, margin, half, scratch)
            for y in range(y0, y1):
                target = crop[2, y, a0 : a0 + an]
                given = wide[y - y0, a0 - c0 + margin : a0 - c0 + margin + an]
                for i in range(an):
                    target[i] = given[i]
    return used


@kernel(
    void(uint64[:, :, ::1], int64[:, ::1], int64, int64[::1], uint64[::1], int64[:, ::1], uint64[::1], int64[:, ::1])
)
def count(planes, boxes, width, half, scratch, table, words, out):  # type: ignore[no-untyped-def]
    """The seven counts (`measures.COUNTS`) of every object of one frame into `out` (K, 7)."""
    r = len(half) - 1
    margin = (r + 63) // 64
    for k in range(len(boxes)):
        out[k, :] = 0
        out[k, 0] = boxes[k, 0]
        out[k, 1] = table[k, 5]
        out[k, 4] = table[k, 6]
        if boxes[k, 0] == 0:
            continue
        top = max(boxes[k, 1] - 1, 0)
        bottom = boxes[k, 2]
        w0 = max(boxes[k, 3] - 1, 0) >> 6
        w1 = (boxes[k, 4] + 63) >> 6
        n = w1 - w0
        edge = scratch[: (bottom - top) * n].reshape((bottom - top, n))
        rest = scratch[(bottom - top) * n :]
        out[k, 3] = boundary(planes[k], width, top, bottom, w0, edge)
        if table[k, 5] == 0:
            continue
        t_top, t_bottom, t0, t1 = table[k, 1], table[k, 2], table[k, 3], table[k, 4]
        crop = words[table[k, 0] : table[k, 0] + 3 * (t_bottom - t_top) * (t1 - t0)]
        crop = crop.reshape((3, t_bottom - t_top, t1 - t0))
        a0 = max(w0, t0)
        an = min(w1, t1) - a0
        both = uint64(0)
        matched = uint64(0)
        if an > 0:
            for y in range(max(top, t_top), min(bottom, t_bottom)):
                p = planes[k, y, a0 : a0 + an]
                b = edge[y - top, a0 - w0 : a0 - w0 + an]
                t = crop[0, y - t_top, a0 - t0 : a0 - t0 + an]
                d = crop[2, y - t_top, a0 - t0 : a0 - t0 + an]
                for i in range(an):
                    both += ones(p[i] & t[i])
                    matched += ones(b[i] & d[i])
        out[k, 2] = int64(both)
        out[k, 5] = int64(matched)
        if out[k, 3] == 0 or out[k, 4] == 0:
            continue
        # Dilate only what can reach the truth's boundary, and only where that lies.
        e0, e1 = table[k, 9], table[k, 10]
        c0 = max(w0, e0 - margin)
        c1 = min(w1, e1 + margin)
        d_top = max(top - r, table[k, 7])
        d_bottom = min(bottom + r, table[k, 8])
        a0 = max(c0 - margin, e0)
        an = min(c1 + margin, e1) - a0
        if c1 <= c0 or an <= 0:
            continue
        hits = uint64(0)
        for y0 in range(d_top, d_bottom, STRIP):
            y1 = min(y0 + STRIP, d_bottom)
            wide = dilate(edge, y0 - top, y1 - top, c0 - w0, c1 - w0, margin, half, rest)
            for y in range(y0, y1):
                b = crop[1, y - t_top, a0 - t0 : a0 - t0 + an]
                d = wide[y - y0, a0 - c0 + margin : a0 - c0 + margin + an]
                for i in range(an):
                    hits += ones(b[i] & d[i])
        out[k, 6] = int64(hits)


@kernel(int64(uint8[::1], int64, int64, uint64[::1], int64[:, ::1], uint8[::1], uint64[:, :, ::1], int64[:, ::1]))
def read_png(data, n, width, runs, rows, table, planes, boxes):  # type: ignore[no-untyped-def]
    """Paint the PNG in data[:n] (overwritten); the largest stray label, 0 if none, or a negative status."""
    height = planes.shape[1]
    status = png_runs(data, n, height, width, runs)
    if status < 0:
        return status
    return paint_runs(runs, height, width, rows, table, planes, boxes)


__all__ = ["count", "crop_truth", "paint_dense", "read_png"]
