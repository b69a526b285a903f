"""What the corruptions of ImageNet-C-bar share: levels, the length that stands for 224 pixels, motion in time.

The source draws parameters per picture of 224 x 224. Here lengths it gives as parts of the picture's side are parts of
the side of the square of equal area, so that a wide frame is covered as densely as theirs. Of the parameters only
the strength depends on the severity (`pattern` takes that out of the key).
"""

from __future__ import annotations

import math

from robust_vos_bench.conditions.corruption import at_severity
from robust_vos_bench.conditions.draw import Draw

from ._particles import seconds

SOURCE = "ImageNet-C-bar (Mintun et al., NeurIPS 2021)"
SOURCE_SIDE = 224.0
"""Side of the source's pictures, pixels."""
DRIFTING = ("drift", "frame", "video")


def strengths(levels: tuple[float, ...], most: float) -> tuple[float, ...]:
    """The source's levels, of 10, times its largest value."""
    return tuple(round(level * most / 10.0, 6) for level in levels)


def strength(table: tuple[float, ...], severity: float) -> float:
    """The parameter at a severity; from level 1 on down to 0 in proportion."""
    return at_severity(table, severity) if severity >= 1.0 else severity * table[0]


def side_of(height: int, width: int) -> float:
    """Side of the square that is as large as the frame, pixels."""
    return math.sqrt(height * width)


def wind(draw: Draw, side: float) -> tuple[float, float]:
    """How far (down, right) a layer has moved, pixels: 5 to 10 percent of `side` in a second, mostly sideways."""
    rng = draw.video_rng("wind")
    way = rng.uniform(0.05, 0.1) * side * seconds(draw) * (1 if rng.integers(2) else -1)
    return way * rng.uniform(-0.3, 0.3), way


def wandering(draw: Draw, stream: str, side: float) -> tuple[float, float]:
    """Where (down, right) a point has gone from its place, pixels: a circle of 5 percent of `side` in 8 s."""
    start = draw.video_rng(stream).uniform(0.0, 2.0 * math.pi)
    angle = start + 2.0 * math.pi * seconds(draw) / 8.0
    reach = 0.05 * side
    return reach * (math.sin(angle) - math.sin(start)), reach * (math.cos(angle) - math.cos(start))
