"""Levels of encoder maps: the mean and the deviation of each channel over a frame, which damage to the picture shifts.

Put back to what they were in a sound frame, they let the networks find there again what they remember
(docs/lite-study.md). Nothing is trained for it; it is what adaptive instance normalisation does to style.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from .trunk import Maps

EPS = 1e-5


class Level(NamedTuple):
    """Of one map, B x C x 1 x 1 each, float32."""

    mean: Tensor
    deviation: Tensor


def level(x: Tensor) -> Level:
    """The level of a map B x C x h x w."""
    x = x.float()
    return Level(x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True) + EPS)


def set_levels(maps: Maps, wanted: Sequence[Level]) -> Maps:
    """The maps at the wanted levels, one per map; with none given, the maps as they are."""
    if not wanted:
        return maps
    return Maps(*(_set(m, to) for m, to in zip(maps, wanted)))


def _set(x: Tensor, to: Level) -> Tensor:
    now = level(x)
    return ((x.float() - now.mean) / now.deviation * to.deviation + to.mean).to(x.dtype)
