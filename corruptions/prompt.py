"""Damage to the first-frame mask, the part of the input that users get wrong; frames stay as they are.

The severity is the intersection over union with the true mask, for each object by itself: 0.9 / 0.8 / 0.7 / 0.6 / 0.5.
Every corruption puts pixels or shapes in an order and goes as far as the target asks. Rules for all: an object keeps
at least one of its true pixels; it never takes a true pixel of another object, nor one that another has already taken;
void pixels (255) stay. Where a target cannot be reached (an object of three pixels, one that fills the frame), the
nearest that can be is given, and an object stays as it is rather than lose itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Mask

from ._pattern import pattern
from ._regions import (
    Region,
    covering_boxes,
    distance_inside,
    distance_outside,
    nearest_candidate,
    polygon,
    take_lowest,
    wavering,
)

TARGET_IOU = (0.9, 0.8, 0.7, 0.6, 0.5)
VOID = 255

Damage = Callable[[Region, Region, float, np.random.Generator], Region]
"""(object, pixels it may take besides its own, target IoU, generator) -> the damaged object."""


def _for_each_object(mask: Mask, severity: float, draw: Draw, damage: Damage) -> Mask:
    """The mask with every object damaged in turn, in the order of ids."""
    target = at_severity(TARGET_IOU, severity)
    result = np.where(mask == VOID, mask, 0).astype(np.uint8)
    for number in np.unique(mask).tolist():
        if number in (0, VOID):
            continue
        truth = mask == number
        # Background of the truth that no object has taken so far.
        free = (mask == 0) & (result == 0)
        changed = damage(truth, free, target, pattern(draw).frame_rng(f"object {number}")) & (truth | free)
        result[changed if (changed & truth).any() else truth] = number
    return result


def _register(name: str, summary: str) -> Callable[[Damage], Damage]:
    """Registers a damage to one object as the corruption `name` of a whole mask."""

    def register(damage: Damage) -> Damage:
        def spoil(mask: Mask, severity: float, draw: Draw) -> Mask:
            return _for_each_object(mask, severity, draw, damage)

        spoil.__name__ = spoil.__qualname__ = name
        spoil.__doc__ = damage.__doc__
        corruption(
            name,
            "prompt",
            scope="prompt",
            profiles=False,
            temporal=("frame",),
            summary=summary,
            unit="IoU with the true mask, per object",
            values=TARGET_IOU,
        )(spoil)
        return damage

    return register


def _added(truth: Region, target: float) -> int:
    """How many pixels to add for an IoU: area / (area + added) = target."""
    return round(float(truth.sum()) * (1.0 / target - 1.0))


def _removed(truth: Region, target: float) -> int:
    """How many pixels to remove for an IoU, at least one staying: (area - removed) / area = target."""
    area = int(truth.sum())
    return min(round(area * (1.0 - target)), area - 1)


@_register("prompt_dilation", "The first mask grown all around")
def dilation(truth: Region, free: Region, target: float, rng: np.random.Generator) -> Region:
    """The background nearest to the object joins it; the rim wavers by a pixel."""
    order = distance_outside(truth) + wavering(rng, truth.shape)
    return truth | take_lowest(order, free, _added(truth, target))


@_register("prompt_erosion", "The first mask worn away all around")
def erosion(truth: Region, free: Region, target: float, rng: np.random.Generator) -> Region:
    """Pixels nearest to the outline go; thin parts go first and the middle stays."""
    order = distance_inside(truth) + wavering(rng, truth.shape)
    return truth & ~take_lowest(order, truth, _removed(truth, target))


@_register("prompt_missing_part", "One side of the object missing from the first mask")
def missing_part(truth: Region, free: Region, target: float, rng: np.random.Generator) -> Region:
    """What lies beyond a nearly straight line of random direction goes."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    rows, columns = np.mgrid[0 : truth.shape[0], 0 : truth.shape[1]]
    order = np.cos(angle) * columns + np.sin(angle) * rows + 2.0 * wavering(rng, truth.shape)
    return truth & ~take_lowest(order, truth, _removed(truth, target))


@_register("prompt_extra_blob", "A piece of background taken for the object in the first mask")
def extra_blob(truth: Region, free: Region, target: float, rng: np.random.Generator) -> Region:
    """An uneven disk of background beside the object, its centre at most one object size away."""
    near = free & (distance_outside(truth) <= np.sqrt(truth.sum()) + 2.0)
    places = np.flatnonzero(near if near.any() else free)
    if not len(places):
        return truth
    row, column = divmod(int(places[rng.integers(len(places))]), truth.shape[1])
    rows, columns = np.ogrid[0 : truth.shape[0], 0 : truth.shape[1]]
    cell = max(8, round(0.3 * float(np.sqrt(truth.sum()))))
    order = np.hypot(rows - row, columns - column) * (1.0 + 0.3 * wavering(rng, truth.shape, cell))
    return truth | take_lowest(order, free, _added(truth, target))


@_register("prompt_shift", "The first mask beside the object")
def shift(truth: Region, free: Region, target: float, rng: np.random.Generator) -> Region:
    """The mask moved in a random direction; other directions where whole pixels do not meet the target."""
    start = rng.uniform(0.0, 2.0 * np.pi)
    area = truth.sum()
    rows, columns = np.nonzero(truth)
    reach = int(np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1)) + 1

    def moved(angle: float, length: float) -> Region:
        down, right = rows + round(np.sin(angle) * length), columns + round(np.cos(angle) * length)
        inside = (down >= 0) & (down < truth.shape[0]) & (right >= 0) & (right < truth.shape[1])
        result = np.zeros_like(truth)
        result[down[inside], right[inside]] = True
        return result & (truth | free)

    best, miss = truth, abs(1.0 - target)
    for turn in range(8):
        angle = start + turn * np.pi / 4.0
        low, high = 0.0, float(reach)
        while high - low > 0.25:
            middle = (low + high) / 2.0
            candidate = moved(angle, middle)
            common = int((candidate & truth).sum())
            iou = common / (area + candidate.sum() - common)
            if common and abs(iou - target) < miss:
                best, miss = candidate, abs(iou - target)
            low, high = (middle, high) if iou > target else (low, middle)
        if miss <= 0.01:
            break
    return best


@_register("prompt_polygon", "The first mask as a hasty polygon")
def polygon_outline(truth: Region, free: Region, target: float, rng: np.random.Generator) -> Region:
    """Outline and holes with as few corners as the target allows, then corners put down with an unsteady hand."""
    directions = rng.standard_normal((4096, 2))
    size = float(np.sqrt(truth.sum()))
    rows, columns = np.nonzero(truth)
    margin = int(size) + 2
    window = (
        slice(max(0, int(rows.min()) - margin), int(rows.max()) + margin + 1),
        slice(max(0, int(columns.min()) - margin), int(columns.max()) + margin + 1),
    )
    part, allowed = truth[window], (truth | free)[window]

    def drawn(tolerance: float, amount: float) -> Region:
        return polygon(part, tolerance, amount, directions) & allowed

    tolerances = [0.5 * 1.2**step for step in range(48) if 0.5 * 1.2**step < 1.5 * size + 1.0]
    coarse, tolerance = nearest_candidate(part, target, lambda t: drawn(t, 0.0), tolerances or [0.5])
    amounts = [size * 0.015 * step for step in range(1, 61)]
    shaken, _ = nearest_candidate(part, target, lambda a: drawn(tolerance / 1.2, a), amounts, start=coarse)
    result = np.zeros_like(truth)
    result[window] = shaken
    return result


@_register("prompt_box", "The first mask as boxes, most often one")
def box(truth: Region, free: Region, target: float, rng: np.random.Generator) -> Region:
    """As few boxes around parts of the object as reach the target, drawn as much too large as the target asks.

    A single box is all that low targets need of a compact object; thin ones take several.
    """
    boxes, far = covering_boxes(truth, free, target)
    missing = _added(truth, target) - int((boxes & ~truth).sum())
    return boxes if missing <= 0 else boxes | take_lowest(far, free & ~boxes, missing)
