"""Shapes of one object of a mask: orders of pixels, polygons, boxes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Region = NDArray[np.bool_]
"""Pixels of one object: bool, H x W."""


def overlap(region: Region, truth: Region) -> float:
    """Intersection over union; 0 where they have nothing in common."""
    common = int((region & truth).sum())
    return common / (int(region.sum()) + int(truth.sum()) - common) if common else 0.0


def take_lowest(order: NDArray[np.float64], among: Region, count: int) -> Region:
    """The `count` pixels of `among` with the lowest `order` (all, where there are fewer); ties by position."""
    places = np.flatnonzero(among)
    taken = np.zeros(among.size, bool)
    if count >= len(places):
        taken[places] = True
    elif count > 0:
        taken[places[np.argsort(order.reshape(-1)[places], kind="stable")[:count]]] = True
    return taken.reshape(among.shape)


def distance_outside(region: Region) -> NDArray[np.float64]:
    """Distance of each pixel to the nearest pixel of the region, pixels; float64 (H, W)."""
    import cv2

    outside = np.ascontiguousarray(~region).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float64)


def distance_inside(region: Region) -> NDArray[np.float64]:
    """Distance of each pixel of the region to the nearest pixel outside; the frame's border is not an outline."""
    import cv2

    inside = np.ascontiguousarray(region).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float64)


def wavering(rng: np.random.Generator, shape: tuple[int, ...], cell: int = 8) -> NDArray[np.float64]:
    """Smooth noise within +-1 that makes outlines look drawn by hand, `cell` px from bump to bump; float64 (H, W)."""
    import cv2

    height, width = shape
    grid = rng.uniform(-1.0, 1.0, (height // cell + 2, width // cell + 2))
    smooth = cv2.resize(grid, (width + 2 * cell, height + 2 * cell), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth[:height, :width], np.float64)


def nearest_candidate(
    truth: Region,
    target: float,
    make: Callable[[float], Region],
    amounts: Sequence[float],
    start: Region | None = None,
) -> tuple[Region, float]:
    """The candidate nearest to the target IoU, and its amount; `start` (amount of the first) where none is nearer."""
    best, chosen = (truth if start is None else start), amounts[0]
    miss = abs(overlap(best, truth) - target)
    for amount in amounts:
        candidate = make(amount)
        iou = overlap(candidate, truth)
        if iou > 0.0 and abs(iou - target) < miss:
            best, chosen, miss = candidate, amount, abs(iou - target)
        if miss <= 0.005:
            break
    return best, chosen


def polygon(truth: Region, tolerance: float, amount: float, directions: NDArray[np.float64]) -> Region:
    """The object redrawn from its outlines, simplified (Douglas-Peucker) by `tolerance` px, corners moved.

    Each corner moves by `amount` px times its row of `directions` (N, 2). Holes are redrawn as well.
    """
    import cv2

    outlines, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons, used = [], 0
    for outline in outlines:
        corners = cv2.approxPolyDP(outline, tolerance, True).reshape(-1, 2)
        if len(corners) < 3:
            continue
        steps = directions[(used + np.arange(len(corners))) % len(directions)]
        used += len(corners)
        polygons.append(np.rint(corners + amount * steps).astype(np.int32))
    drawn = np.zeros(truth.shape, np.uint8)
    if polygons:
        cv2.fillPoly(drawn, polygons, 1)
    return drawn > 0


def covering_boxes(truth: Region, free: Region, target: float) -> tuple[Region, NDArray[np.float64]]:
    """The object covered by as few boxes as reach the target IoU, and each pixel's distance to them (chessboard).

    From the bounding box on, the box that holds most background is cut in two, where the two tight boxes of its
    parts lose most of it. Boxes hold no pixel that is not `free` or of the object.
    """
    import cv2

    def waste(box: _Box) -> int:
        top, bottom, left, right = box
        return int(free[top:bottom, left:right].sum())

    area = int(truth.sum())
    whole = _tight(truth, 0, truth.shape[0], 0, truth.shape[1])
    boxes = [(-waste(whole), whole)]
    wasted = -boxes[0][0]
    # Tight boxes of separate parts never overlap, so what they waste adds up.
    while area < target * (area + wasted) and boxes[0][0] < 0:
        lost, widest = heapq.heappop(boxes)
        wasted += lost
        for part in _cut(truth, widest):
            heapq.heappush(boxes, (-waste(part), part))
            wasted += waste(part)
    covered = truth.copy()
    for _, (top, bottom, left, right) in boxes:
        covered[top:bottom, left:right] |= free[top:bottom, left:right]
    far = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_C, cv2.DIST_MASK_3)
    return covered, np.asarray(far, np.float64)


_Box = tuple[int, int, int, int]
"""Top, bottom (one past), left, right (one past)."""


def _tight(truth: Region, top: int, bottom: int, left: int, right: int) -> _Box:
    part = truth[top:bottom, left:right]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return top + int(rows[0]), top + int(rows[-1]) + 1, left + int(columns[0]), left + int(columns[-1]) + 1


def _cut(truth: Region, box: _Box) -> list[_Box]:
    """The two tight boxes of the parts of a box, cut where they are smallest together."""
    top, bottom, left, right = box
    best: list[_Box] = []
    smallest = np.inf
    cuts = [((top, row, left, right), (row, bottom, left, right)) for row in _places(top, bottom)]
    cuts += [((top, bottom, left, column), (top, bottom, column, right)) for column in _places(left, right)]
    for one, other in cuts:
        pair = [_tight(truth, *part) for part in (one, other)]
        area = sum((b - t) * (r - l) for t, b, l, r in pair)
        if area < smallest:
            best, smallest = pair, area
    return best


def _places(start: int, stop: int) -> list[int]:
    """Where to try a cut: every pixel of a short side, 24 places of a long one."""
    return sorted({int(place) for place in np.linspace(start + 1, stop - 1, min(24, max(0, stop - start - 1)))})
