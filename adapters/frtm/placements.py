"""Where, how large and how blurred an object is put into the frames that its model is first trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TRIED = 19
"""Pairs of placements that the official code makes at a time: the number that its settings ask for never arrives."""
KEPT = 4
"""Warped frames beside the given one."""
_LOCATIONS = 5

_OBJECT: Mapping[str, Sequence[Any]] = {
    "rotation": (5, -5, 10, -10, 20, -20, 30, -30, 45, -45),
    "flipped": (False, False, False, False, True),
    "scale": (0.5, 0.7, 1.0, 1.5, 2.0, 2.5),
    "skew": ((0.0, 0.0), (0.0, 0.0), (0.1, 0.1)),
    "blur": (0.0, 0.0, 0.0, 2.0),
    "blur_angle": (0, 45, 90, 135),
}
_BACKGROUND: Mapping[str, Sequence[Any]] = {
    "location": ((0.5, 0.5),),
    "rotation": (0, 0, 0),
    "flipped": (False,),
    "scale": (1.0, 1.0, 1.2),
    "skew": ((0.0, 0.0),),
    "blur": (0.0, 0.0, 1.0, 2.0, 5.0),
    "blur_angle": (0, 45, 90, 135),
    "unused": ((0.5, 0.5),),  # a shuffle of it moves the generator on
}


@dataclass(frozen=True)
class Placement:
    """One transformation of a picture, of the object or of what lies behind it."""

    location: tuple[float, float]
    """Where the centre comes to lie, x and y as shares of width and height."""
    rotation: float
    """Degrees."""
    flipped: bool
    scale: float
    skew: tuple[float, float]
    blur: float
    """Variance of a Gaussian along `blur_angle`, in pixels squared; 0: none."""
    blur_angle: float
    """Degrees."""


def locations(rng: np.random.RandomState, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Five places of a jittered grid, in any order. size: (H, W)."""
    height, width = size
    rows = math.ceil(math.sqrt(_LOCATIONS * height / width))
    columns = math.ceil(width / height * rows)
    places = []
    for row in range(rows):
        for column in range(columns):
            x = (column + 0.5) / columns + rng.normal(0, 0.5 / columns / 4)
            y = (row + 0.5) / rows + rng.normal(0, 0.5 / rows / 4)
            places.append((round(x, 3), round(y, 3)))
    rng.shuffle(places)
    return places[:_LOCATIONS]


def pairs(
    rng: np.random.RandomState, places: Sequence[tuple[float, float]], count: int = TRIED
) -> list[tuple[Placement, Placement]]:
    """`count` placements of the object and of the background behind it."""
    objects = _drawn(rng, {"location": places, **_OBJECT}, count)
    return list(zip(objects, _drawn(rng, _BACKGROUND, count)))


def _drawn(rng: np.random.RandomState, lists: Mapping[str, Sequence[Any]], count: int) -> list[Placement]:
    """Each list is repeated until it suffices, shuffled and cut, in order."""
    columns: dict[str, list[Any]] = {}
    for name, values in lists.items():
        column = list(values) * math.ceil(count / len(values))
        rng.shuffle(column)
        columns[name] = column[:count]
    columns.pop("unused", None)
    return [Placement(**dict(zip(columns, row))) for row in zip(*columns.values())]
