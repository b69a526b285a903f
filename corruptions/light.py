"""Light of ImageNet-C-bar: sparkles, a white-out around a star, refraction by waves of water."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame, Mask

from ._bar import DRIFTING, SOURCE, SOURCE_SIDE, side_of, strength, strengths, wandering
from ._particles import seconds
from ._pattern import pattern

_SPARKLES = strengths((1.0, 2.0, 3.0, 5.0, 6.0), 0.1)
_INVERSE = tuple(round(2.0 * level / 100.0, 6) for level in strengths((1.0, 2.0, 4.0, 9.0, 10.0), 65.0))
_WATER_LEVELS = (2.35, 3.2, 4.9, 6.6, 9.15)
_LENS, _LIGHTING = strengths(_WATER_LEVELS, 0.5), strengths(_WATER_LEVELS, 2.0)
_MARGIN = 1


def _rays(rng: np.random.Generator) -> NDArray[np.float64]:
    """Lengths of 50 to 199 rays, of a mean of 1."""
    return np.asarray(1.0 + 0.25 * rng.standard_normal(int(rng.integers(50, 200))))


@corruption(
    "sparkles",
    "light",
    temporal=DRIFTING,
    summary="Five stars of white light with rays",
    unit="radius, of the side of the square of equal area",
    values=_SPARKLES,
    source=SOURCE,
)
def sparkles(frame: Frame, severity: float, draw: Draw) -> Frame:
    """White that falls with the square of the distance; in drift the stars wander and turn by 5 degrees in a second."""
    from .kernels.light import dim_by_star, fade_to_white

    height, width = frame.shape[:2]
    side = side_of(height, width)
    radius = strength(_SPARKLES, severity) * side
    keep = np.ones((height, width))
    shared = pattern(draw)
    for number in range(5):
        rng = shared.rng(f"star {number}")
        y, x = rng.uniform(0.0, height), rng.uniform(0.0, width)
        down, right = wandering(shared, f"way {number}", side)
        rays = np.maximum(radius * _rays(rng), side / SOURCE_SIDE)
        dim_by_star(keep, (y + down, x + right), rays, 5.0 / 360.0 * seconds(draw), 1.0)
    return fade_to_white(frame, keep)


@corruption(
    "inverse_sparkles",
    "light",
    temporal=DRIFTING,
    summary="White around one star-shaped hole through which the scene is seen",
    unit="exponent of (radius / distance)^2, with which the scene fades",
    values=_INVERSE,
    source=SOURCE,
)
def inverse_sparkles(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Radius a quarter of the side; in drift the hole wanders and its rays turn by 5 degrees in a second."""
    from .kernels.light import dim_by_star, fade_to_white

    height, width = frame.shape[:2]
    side = side_of(height, width)
    shared = pattern(draw)
    rng = shared.rng("star")
    y, x = rng.uniform(0.25, 0.75) * height, rng.uniform(0.25, 0.75) * width
    down, right = wandering(shared, "way", side)
    hidden = np.ones((height, width))
    rays = np.maximum(0.25 * side * _rays(rng), 1e-3)
    dim_by_star(hidden, (y + down, x + right), rays, 5.0 / 360.0 * seconds(draw), strength(_INVERSE, severity))
    return fade_to_white(frame, 1.0 - hidden)


def _water(
    size: tuple[int, int], severity: float, draw: Draw
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(down, right, gain): how far from its place each pixel is looked up, in pixels, and grey levels added.

    The waves are made at the source's resolution, 224 points along the side, and stretched: so strength is the same
    at any size.
    """
    from .kernels.light import bend, caustics, stretch

    side = side_of(*size)
    step = SOURCE_SIDE / side
    rng = pattern(draw).rng("water")
    time = rng.uniform(0.5, 2.0) + 0.1 * seconds(draw)
    period = rng.uniform(0.75, 1.25) * SOURCE_SIDE
    points = (math.ceil(size[0] * step) + 1, math.ceil(size[1] * step) + 1)
    down, right, gain = bend(caustics(points, time, period, _MARGIN))
    reach = np.float32(strength(_LENS, severity) * side)
    light = np.float32(255.0 * strength(_LIGHTING, severity))
    return (
        stretch(down, size, step) * reach,
        stretch(right, size, step) * reach,
        stretch(gain, size, step) * light,
    )


def move_refracted(mask: Mask, severity: float, draw: Draw) -> Mask:
    """The mask under the water of `caustic_refraction` at the same draw, nearest label."""
    from .kernels.geometry import warp_mask

    down, right, _ = _water((mask.shape[0], mask.shape[1]), severity, draw)
    return warp_mask(mask, down, right)


@corruption(
    "caustic_refraction",
    "light",
    temporal=DRIFTING,
    move_mask=move_refracted,
    summary="Seen through waves of water, with their lines of light",
    unit="strength of the lens (of the side), brightness of the lines (of white)",
    values=tuple(zip(_LENS, _LIGHTING)),
    source=SOURCE,
)
def caustic_refraction(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Refraction (index 4) and light by the slope of a field of caustics; in drift its `time` goes 0.1 in a second."""
    from .kernels.geometry import warp
    from .kernels.light import lighten

    down, right, gain = _water((frame.shape[0], frame.shape[1]), severity, draw)
    return lighten(warp(frame, down, right), gain)
