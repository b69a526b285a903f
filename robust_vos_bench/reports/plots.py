"""Plots of one run as matplotlib figures: for notebooks, and as SVG for the report."""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.summary import Summary
from robust_vos_bench.errors import MissingExtraError
from robust_vos_bench.runs.records import ConditionRecord
from robust_vos_bench.runs.store import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#888888")
"""Okabe and Ito's colours, told apart with any colour vision; markers tell them apart without colour."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", ":", "-.")
_INK = "#010203"
"""Stands for "the page's text colour" until the SVG is written."""


@contextmanager
def _style() -> Iterator[Any]:
    """matplotlib without global side effects: an own figure class, no pyplot, the page's ink for all text."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'rvos-bench[report]'") from error
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "rvos-bench",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    }
    with mpl.rc_context(settings):
        yield Figure


def look(i: int) -> dict[str, Any]:
    """Colour, marker and line of model i; the three together differ for the first 140 models."""
    n = len(COLOURS)
    return {"color": COLOURS[i % n], "marker": MARKERS[(i + i // n) % n], "linestyle": LINES[(i // n) % len(LINES)]}


def severity_curves(matrix: ScoreMatrix, summaries: Sequence[Summary]) -> Figure:
    """J&F over severity, one small plot per family, one line per model; severity 0 is clean, missing cells are gaps.

    Of attacks one small plot per threat, over its budgets: frames made against the model itself where there are any,
    else the worst of all sources; dotted in the same colour, noise of the same size.
    """
    panels = [*_family_panels(matrix), *_threat_panels(matrix)]
    columns = min(3, max(1, len(panels)))
    rows = math.ceil(len(panels) / columns) or 1
    with _style() as figure_class:
        figure: Figure = figure_class(figsize=(3.1 * columns, 2.4 * rows + 0.4), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False)).ravel()
        for axis, panel in zip(axes, panels):
            levels = panel.levels
            for i, s in enumerate(summaries):
                values = [panel.value(s, level) for level in levels]
                axis.plot([0, *levels], [s.p, *values], label=s.model, markersize=4, linewidth=1.4, **look(i))
                noise = [panel.noise(s, level) for level in levels]
                if not all(map(math.isnan, noise)):
                    colour = look(i)["color"]
                    axis.plot([0, *levels], [s.p, *noise], linewidth=1, linestyle=(0, (1, 2)), color=colour)
            axis.set_title(panel.title, fontsize=9)
            axis.set_xticks([0, *levels])
            axis.set_xlabel(panel.unit)
            axis.set_ylim(0, 100)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        if panels:
            axes[0].set_ylabel("J&F")
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    return figure


@dataclass(frozen=True)
class _Panel:
    """One small plot: its conditions, and those of the baseline."""

    title: str
    unit: str
    conditions: Sequence[ConditionRecord]
    baseline: Sequence[ConditionRecord] = ()

    @property
    def levels(self) -> list[int]:
        return sorted({c.severity for c in self.conditions})

    def value(self, summary: Summary, level: int) -> float:
        """Mean over the conditions of a severity; of an attack, the own cell or the worst one."""
        here = [c for c in self.conditions if c.severity == level]
        if not here[0].is_stored:
            return float(np.mean([summary.cells[c.label] for c in here]))
        own = [c for c in here if c.source == safe_name(summary.model)]
        return min(summary.cells[c.label] for c in own or here)

    def noise(self, summary: Summary, level: int) -> float:
        """The cell of the baseline at a severity; NaN where there is none."""
        return next((summary.cells[c.label] for c in self.baseline if c.severity == level), math.nan)


def _family_panels(matrix: ScoreMatrix) -> list[_Panel]:
    chosen = [c for c in matrix.conditions if not c.is_clean and not c.is_stored]
    return [
        _Panel(f, "severity", [c for c in chosen if c.family == f]) for f in dict.fromkeys(c.family for c in chosen)
    ]


def _threat_panels(matrix: ScoreMatrix) -> list[_Panel]:
    stored = [c for c in matrix.conditions if c.is_stored]
    panels = []
    for name in dict.fromkeys(c.corruption for c in stored if c.source):
        noise = f"noise-{name.partition('-')[2]}"
        own = [c for c in stored if c.corruption == name]
        panels.append(_Panel(name, "budget", own, [c for c in stored if c.corruption == noise]))
    return panels


def clean_against_corrupted(matrix: ScoreMatrix) -> Figure:
    """One dot per object: mean J&F under corruption (vertical) against clean (horizontal); below the line is a loss."""
    clean = [i for i, c in enumerate(matrix.conditions) if c.is_clean]
    bad = [i for i, c in enumerate(matrix.conditions) if not c.is_clean and not c.is_stored]
    with _style() as figure_class:
        figure: Figure = figure_class(figsize=(4.6, 4.6), layout="constrained")
        axis = figure.subplots()
        axis.plot([0, 100], [0, 100], color=_INK, linewidth=0.8, alpha=0.5)
        for i, model in enumerate(matrix.models):
            if clean and bad:
                x = 100 * matrix.jf[i, clean[0]]
                y = 100 * matrix.jf[i, bad].mean(axis=0)
                style = look(i)
                axis.scatter(x, y, s=16, alpha=0.75, label=model, color=style["color"], marker=style["marker"])
        axis.set(xlim=(0, 100), ylim=(0, 100), xlabel="clean J&F of an object", ylabel="mean J&F under corruption")
        axis.set_aspect("equal")
        if clean and bad:
            figure.legend(loc="outside lower center", ncols=min(3, len(matrix.models)), frameon=False)
    return figure


def over_time(
    tracks: Sequence[tuple[str, Sequence[int], Sequence[float], Sequence[float]]], title: str, burst: range = range(0)
) -> Figure:
    """J and F by frame. tracks: (label, frame indices, J, F), each value in 0..1. burst: frames shaded."""
    with _style() as figure_class:
        figure: Figure = figure_class(figsize=(7.2, 3.2), layout="constrained")
        for axis, name in zip(figure.subplots(1, 2, sharey=True), ("J", "F")):
            for i, (label, frames, j, f) in enumerate(tracks):
                values = j if name == "J" else f
                style = look(i)
                axis.plot(
                    frames, values, label=label, linewidth=1.3, color=style["color"], linestyle=style["linestyle"]
                )
            if burst:
                axis.axvspan(burst.start - 0.5, burst.stop - 0.5, color=COLOURS[-1], alpha=0.2, linewidth=0)
            axis.set(ylim=(0, 1), xlabel="frame", title=name)
        figure.suptitle(title, fontsize=9)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def svg(figure: Figure, alt: str) -> str:
    """The figure as inline SVG that takes the page's text colour and carries an alternative text."""
    from markupsafe import escape

    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    body = body[body.index("<svg") :].replace(_INK, "currentColor")
    body = re.sub(r'<svg ([^>]*?)width="[\d.]+pt" height="[\d.]+pt"', r"<svg \1", body, count=1)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = _own_ids(body, hashlib.sha256(alt.encode()).hexdigest()[:6])
    return body.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)


def _own_ids(body: str, prefix: str) -> str:
    """Ids that are the same in every process and differ between the figures of one page."""
    names = {name: f"{prefix}-{i}" for i, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', body)))}
    return re.sub(r'(\bid="|href="#|url\(#)([^")]+)', lambda m: m.group(1) + names.get(m.group(2), m.group(2)), body)
