"""Style, sizes and empty figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from robust_vos_bench.errors import MissingExtraError, UsageError
from robust_vos_bench.reports.style import DISTINCT, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {1: 3.3, 2: 6.9}
"""Columns of a paper -> width in inches: those of CVPR, ICCV, ECCV and TPAMI within a tenth of an inch."""
INK, SOFT, GRID, OTHER = "#1b1e23", "#5d636b", "#d9dbde", "#b9bdc2"


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings for one figure: use it around drawing and saving. Raises MissingExtraError."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'rvos-bench[report]'") from error
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "rvos-bench",
        "pdf.fonttype": 42,  # conferences refuse Type 3 fonts
        "font.family": "sans-serif",
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.2,
        "lines.markersize": 3.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), SOFT),
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
    }
    with mpl.rc_context(settings):
        yield


def width_of(columns: int) -> float:
    """Inches. Raises UsageError."""
    if columns not in WIDTHS:
        raise UsageError(f"columns is {columns}; a figure spans 1 or 2 columns of a paper")
    return WIDTHS[columns]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that pyplot does not know of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def one_axes(axes: Axes | None, width: float, height: float) -> Axes:
    """The given axes, or those of a new figure."""
    return new_figure(width, height).subplots() if axes is None else axes


def looks(place: int) -> dict[str, Any]:
    """Colour, marker and line of a model by its place in the table; grey and thin after the first seven."""
    if place < DISTINCT:
        return {**look(place)._asdict(), "zorder": 3 - place / 100}
    return {"color": OTHER, "marker": "", "linestyle": "-", "linewidth": 0.7, "zorder": 2}


def legend(axes: Axes, models: Sequence[str], columns: int) -> None:
    """Names of the models below the figure of some axes; how many are grey."""
    from matplotlib.lines import Line2D

    figure = axes.get_figure(root=True)
    assert figure is not None
    shown = models[:DISTINCT]
    handles = [Line2D([], [], label=plain(name), **{**looks(i), "linestyle": "-"}) for i, name in enumerate(shown)]
    if len(models) > len(shown):
        handles.append(Line2D([], [], label=f"{len(models) - len(shown)} more", color=OTHER, linewidth=0.7))
    longest = max((len(name) for name in shown), default=1)
    fit = max(1, math.floor(figure.get_figwidth() * 14 / (longest + 6)))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(fit, len(handles)), frameon=False, handlelength=1.6
    )


def plain(text: str) -> str:
    """Text in which `$` is a dollar: matplotlib would take pairs of them for mathematics. A label that begins with an
    underscore would not be shown."""
    return text.replace("$", r"\$") if not text.startswith("_") else "\u200b" + text.replace("$", r"\$")
