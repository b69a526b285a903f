"""Clean against corrupted, and paired differences to the best model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.rivals import rivals
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.charts.score import score_range
from robust_vos_bench.reports.plots.canvas import OTHER, SOFT, legend, looks, one_axes, plain, style, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def clean_against_corrupted(
    run: Run, *, by: Literal["model", "object"] = "model", columns: int = 1, ax: Axes | None = None
) -> Axes:
    """mPC against P, with 95 % intervals over videos both ways; by="object": one mark per object and model.

    Below the dashed line, corruption lowers the score. ax: draw into these axes instead of a new figure.

    Raises UsageError where nothing is scored both ways.
    """
    matrix, rows = run.matrix, in_order(run.robustness)
    clean = [i for i, c in enumerate(matrix.conditions) if c.is_clean]
    bad = [i for i, c in enumerate(matrix.conditions) if not c.is_clean and not c.is_stored]
    known = [(i, row) for i, row in enumerate(rows) if not math.isnan(row.summary.p + row.summary.mpc)]
    if not known or not clean or not bad:
        raise UsageError("there is nothing to draw: no model is scored clean and under every corruption")
    with style():
        width = width_of(columns)
        axis = one_axes(ax, width, min(width, 3.6))
        ends: list[float] = []
        for place, row in reversed(known):
            own = {"color": looks(place)["color"], "marker": looks(place)["marker"] or "o"}
            if by == "object":
                x, y = 100 * matrix.jf[row.index, clean[0]], 100 * matrix.jf[row.index, bad].mean(axis=0)
                axis.scatter(x, y, s=8, alpha=0.75, linewidths=0, **own)
                ends += [*x, *y]
                continue
            across, down = row.interval("P"), row.interval("mPC")
            assert across is not None and down is not None
            errors = [[[s.value - s.low], [s.high - s.value]] for s in (across, down)]
            if not np.isnan(errors).any():
                axis.errorbar(
                    across.value, down.value, errors[1], errors[0], fmt="none", ecolor=own["color"], alpha=0.4, lw=0.8
                )
            axis.plot(across.value, down.value, linestyle="", markersize=5, markeredgecolor="white", mew=0.5, **own)
            ends += [across.value, down.value, *(v for v in (across.low, down.low) if not math.isnan(v))]
        low, high = score_range(map(float, ends))
        axis.plot([low, high], [low, high], color=SOFT, linewidth=0.7, linestyle="--", marker="", zorder=1)
        axis.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axis.set(xlabel="clean J&F" + " of an object" * (by == "object"), ylabel="mean J&F under corruption")
        if ax is None:
            legend(axis, [row.model for row in rows], columns)
    return axis


def paired_differences(run: Run, *, columns: int = 1, ax: Axes | None = None) -> Axes:
    """How far each model is behind the best one in mPC: paired differences with 95 % intervals over videos.

    Filled: certain, that is, clear of zero with enough videos to say so. Raises UsageError for fewer than two complete
    models.
    """
    best, others = rivals(run.robustness)
    if not others:
        raise UsageError("a paired difference needs two complete models")
    places = {row.model: i for i, row in enumerate(in_order(run.robustness))}
    with style():
        axis = one_axes(ax, width_of(columns), 0.6 + 0.2 * len(others))
        for i, rival in enumerate(others):
            own = looks(places[rival.model])
            colour = SOFT if own["color"] == OTHER else own["color"]
            if not math.isnan(rival.behind.low):
                axis.hlines(i, rival.behind.low, rival.behind.high, color=colour, linewidth=1.6, alpha=0.6)
            fill = colour if rival.certain else "white"
            axis.plot(
                rival.behind.value, i, linestyle="", marker=own["marker"] or "o", color=colour, markerfacecolor=fill,
                markersize=5,
            )  # fmt: skip
        axis.axvline(0, color=SOFT, linewidth=0.7)
        axis.set_yticks(range(len(others)), [plain(rival.model) for rival in others])
        axis.set(ylim=(len(others) - 0.5, -0.5), xlabel=f"points of mPC behind {plain(best)}")
        axis.grid(axis="y", visible=False)
    return axis
