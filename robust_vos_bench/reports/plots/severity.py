"""J&F over severity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from robust_vos_bench.analysis.levels import family_curves
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.charts.score import curve_range, whisker_shift
from robust_vos_bench.reports.plots.canvas import legend, looks, new_figure, style, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def severity_curves(run: Run, *, columns: int = 2, axes: list[Axes] | None = None) -> list[Axes]:
    """One plot per family of corruptions, a line per model; severity 0 is clean, missing cells are gaps.

    With four models or fewer, whiskers are 95 % intervals over videos. columns: of a paper, 1 or 2. axes: draw into
    these, one per family, instead of a new figure (whose legend is then the caller's).

    Raises UsageError for a run without scored corruptions.
    """
    curves = family_curves(run.robustness) if run.matrix.objects else {}
    if not curves:
        raise UsageError("there is nothing to draw over severity: the run has no scored corruption")
    if axes is not None and len(axes) != len(curves):
        raise UsageError(f"{len(axes)} axes for {len(curves)} families ({', '.join(curves)})")
    with style():
        drawn = axes if axes is not None else _axes(len(curves), columns)
        low, high = curve_range(curves)
        for axis, (family, of) in zip(drawn, curves.items()):
            apart = whisker_shift(len(of))
            for place, curve in enumerate(of):
                x = np.array(curve.severities) + apart * (place - (len(of) - 1) / 2)
                y = np.array([p.value for p in curve.points])
                axis.plot(x, y, label="_", **looks(place))
                if apart:
                    ends = np.array([(p.low, p.high) for p in curve.points]).T
                    axis.vlines(x, *ends, color=looks(place)["color"], linewidth=0.6, alpha=0.6)
            axis.set(title=family, xlabel=of[0].level, xticks=of[0].severities, ylim=(low, high))
        if axes is None:
            for k in range(0, len(drawn), _across(len(drawn), columns)):
                drawn[k].set_ylabel("J&F")
            legend(drawn[0], [row.model for row in run.robustness.by_mpc()], columns)
    return list(drawn)


def _across(families: int, columns: int) -> int:
    return min(families, 2 if columns == 1 else 4 if families != 3 else 3)


def _axes(families: int, columns: int) -> list[Axes]:
    across = _across(families, columns)
    rows = math.ceil(families / across)
    width = width_of(columns)
    figure = new_figure(width, rows * min(1.7, width / across * 0.95) + 0.35)
    grid = figure.subplots(rows, across, sharey=True, squeeze=False).ravel()
    for axis in grid[families:]:
        axis.set_visible(False)
    return list(grid[:families])
