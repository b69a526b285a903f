"""Tables of drops in colours: corruption x severity of one model, and corruption x model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.levels import DropMap
from robust_vos_bench.analysis.words import points

_LOSS = np.array([(250, 247, 242), (253, 214, 170), (244, 150, 80), (205, 85, 25), (115, 40, 8)])
_GAIN = np.array([(250, 247, 242), (170, 208, 232), (84, 148, 200), (20, 90, 155), (8, 45, 95)])
"""RGB from no change to the end of the scale: orange for what is lost, blue for what is gained. Both get evenly darker,
which every kind of colour vision and a grey print keep; the two hues differ for all common kinds."""

BEND = 0.7
"""Below 1, so that small drops, which are the most, can be told apart; the key shows what it does."""


@dataclass(frozen=True)
class HeatCell:
    """One drop in points, with the CSS colours of the cell and of the text in it; "" where the run has no such cell."""

    text: str
    colour: str = "transparent"
    ink: str = "inherit"


@dataclass(frozen=True)
class HeatRow:
    """One corruption."""

    name: str
    family: str
    cells: tuple[HeatCell, ...]
    first: bool
    """Whether it is the first of its family."""


@dataclass(frozen=True)
class Heat:
    """A table in colours."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    place: int = -1
    """Of the model in the order of the tables; -1 where it shows no single model."""


def scale_of(maps: Iterable[DropMap]) -> float:
    """The drop at the end of the colours: the largest one, up to the next ten."""
    known = [float(v) for m in maps for v in m.drop[~np.isnan(m.drop)]]
    return max(10.0, 10 * math.ceil(max(known, default=0.0) / 10))


def by_severity(shown: DropMap, scale: float, place: int = -1) -> Heat:
    """Corruption x severity of one model, with the mean over severities last."""
    columns = (*map(str, shown.severities), *(("mean",) if len(shown.severities) > 1 else ()))
    rows = []
    for i, (name, family) in enumerate(zip(shown.corruptions, shown.families)):
        cells = [_cell(v, scale) if there else HeatCell("") for v, there in zip(shown.drop[i], shown.planned[i])]
        if len(shown.severities) > 1:
            cells.append(_cell(shown.means[i], scale))
        rows.append(HeatRow(name, family, tuple(cells), i == 0 or family != shown.families[i - 1]))
    return Heat(shown.model, columns, tuple(rows), place)


def by_model(maps: Sequence[DropMap], scale: float) -> Heat:
    """Corruption x model: the mean over severities."""
    first = maps[0]
    means = [m.means for m in maps]
    rows = tuple(
        HeatRow(name, family, tuple(_cell(of[i], scale) for of in means), i == 0 or family != first.families[i - 1])
        for i, (name, family) in enumerate(zip(first.corruptions, first.families))
    )
    return Heat("mean over severities", tuple(m.model for m in maps), rows)


def legend_stops(scale: float, steps: int = 6) -> list[HeatCell]:
    """Cells of the key: from half the scale gained to all of it lost."""
    values = [-scale / 2, *np.linspace(0, scale, steps)]
    return [HeatCell(f"{v:+.0f}" if v else "0", *_colours(v, scale)) for v in values]


def _cell(value: float, scale: float) -> HeatCell:
    if math.isnan(value):
        return HeatCell("n/a")
    return HeatCell(points(value), *_colours(value, scale))


def _colours(value: float, scale: float) -> tuple[str, str]:
    code = drop_colour(value, scale)
    return "rgb({:.0f},{:.0f},{:.0f})".format(*code), ink_on(code)


def ink_on(colour: NDArray[np.float64]) -> str:
    """Black or white, whichever has the higher contrast (relative luminance, WCAG 2) on an RGB colour, 0..255."""
    code = colour / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    luminance = float(light @ (0.2126, 0.7152, 0.0722))
    return "#000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#fff"


def drop_colour(value: float, scale: float) -> NDArray[np.float64]:
    """RGB (0..255) of a drop in points; a gain is a negative drop."""
    stops = _LOSS if value >= 0 else _GAIN
    x = min(abs(value) / scale, 1.0) ** BEND * (len(stops) - 1)
    low = int(min(x, len(stops) - 2))
    return np.asarray((stops[low] + (stops[low + 1] - stops[low]) * (x - low)).round(), np.float64)
