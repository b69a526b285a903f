"""The corruption x model table in colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.summary import Summary

_CIVIDIS = np.array([(0, 34, 78), (53, 69, 108), (102, 105, 112), (148, 142, 119), (200, 184, 102), (254, 232, 56)])


@dataclass(frozen=True)
class HeatCell:
    """One score in points, with the CSS colours of the cell and of the text in it."""

    value: float
    colour: str
    ink: str


@dataclass(frozen=True)
class HeatRow:
    """One corruption, or clean: a cell per model."""

    name: str
    cells: tuple[HeatCell, ...]


def heat_rows(summaries: Sequence[Summary]) -> list[HeatRow]:
    """Clean, then every corruption."""
    names = list(dict.fromkeys(name for s in summaries for name in s.corruptions))
    rows = {"clean": [s.p for s in summaries]}
    rows |= {name: [s.corruptions.get(name, math.nan) for s in summaries] for name in names}
    return [HeatRow(name, tuple(HeatCell(v, _shade(v), _ink(v)) for v in values)) for name, values in rows.items()]


def _colour(value: float) -> NDArray[np.float64]:
    """Cividis from 0 to 100 points: dark blue to yellow, uniform for any colour vision and in print. RGB, 0..255."""
    x = np.clip(value, 0, 100) / 100 * (len(_CIVIDIS) - 1)
    low = int(min(x, len(_CIVIDIS) - 2))
    return np.asarray((_CIVIDIS[low] + (_CIVIDIS[low + 1] - _CIVIDIS[low]) * (x - low)).round())


def _shade(value: float) -> str:
    return "transparent" if math.isnan(value) else "rgb({:.0f},{:.0f},{:.0f})".format(*_colour(value))


def _ink(value: float) -> str:
    """Black or white, whichever has more contrast (relative luminance, WCAG 2)."""
    if math.isnan(value):
        return "inherit"
    code = _colour(value) / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    return "#000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#fff"
