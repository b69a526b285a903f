"""Drop by corruption and severity, as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from robust_vos_bench.analysis.levels import DropMap, in_order, mean_drop
from robust_vos_bench.analysis.levels import drop_map as drops_of
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.words import points
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.heat import drop_colour, ink_on, scale_of
from robust_vos_bench.reports.plots.canvas import SOFT, one_axes, plain, style, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def drop_map(run: Run, model: str | None = None, *, columns: int = 1, ax: Axes | None = None) -> Axes:
    """Clean minus corrupted J&F in points: a row per corruption, a column per severity, the mean last.

    model: by default the mean over the models that are complete. Missing cells say n/a. ax: draw into these axes
    instead of a new figure.

    Raises UsageError for an unknown model, and for a run without clean or corrupted scores.
    """
    shown = _chosen(run, model)
    several = len(shown.severities) > 1
    values = np.column_stack([shown.drop, shown.means]) if several else shown.drop
    planned = np.column_stack([shown.planned, shown.planned.any(axis=1)]) if several else shown.planned
    scale = scale_of([shown])
    with style():
        rows = len(shown.corruptions)
        axis = one_axes(ax, width_of(columns), 0.55 + 0.17 * rows)
        colours = np.ones((*values.shape, 3))
        for where in np.argwhere(planned & ~np.isnan(values)):
            colours[tuple(where)] = drop_colour(float(values[tuple(where)]), scale) / 255
        axis.imshow(colours, aspect="auto", interpolation="nearest")
        for i, k in np.argwhere(planned):
            value = float(values[i, k])
            ink = SOFT if np.isnan(value) else ink_on(drop_colour(value, scale))
            axis.text(k, i, points(value), ha="center", va="center", fontsize=6.5, color=ink)
        for i in range(1, rows):  # families are set apart
            if shown.families[i] != shown.families[i - 1]:
                axis.axhline(i - 0.5, color="white", linewidth=2.5)
        if several:
            axis.axvline(len(shown.severities) - 0.5, color="white", linewidth=2.5)
        axis.set_xticks(range(values.shape[1]), [*map(str, shown.severities), *(["mean"] if several else [])])
        axis.set_yticks(range(rows), [name.replace("_", " ") for name in shown.corruptions])
        axis.set(xlabel="severity", title=f"Drop in J&F: {plain(shown.model)}")
        axis.grid(False)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
    return axis


def _chosen(run: Run, model: str | None) -> DropMap:
    table = run.robustness
    if run.manifest.clean is None or not table.families or not run.matrix.objects:
        raise UsageError("there is no drop to draw: the run has no clean, or no corrupted, scores")
    if model is not None:
        return drops_of(table, table[model])
    rows = in_order(table)
    whole = [row for row in rows if row.rank is not None] or rows[:1]
    maps = [drops_of(table, row) for row in whole]
    mean = mean_drop(maps)
    return maps[0] if mean is None or len(maps) == 1 else mean
