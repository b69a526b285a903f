"""Charts of scores: severity curves, clean against corrupted, J&F over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from robust_vos_bench.analysis.levels import Curve
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.words import points
from robust_vos_bench.reports.charts.canvas import Canvas, colour_class, marker, number
from robust_vos_bench.reports.grids import span
from robust_vos_bench.reports.style import DISTINCT
from robust_vos_bench.runs.records import FrameScores

WHISKERS = 4
"""With more models than this, intervals would cover each other: they are in the table, and said when pointed at."""


def score_range(values: Iterable[float]) -> tuple[float, float]:
    """Axis from a round number below the smallest score to 100."""
    known = [v for v in values if not math.isnan(v)]
    return (max(0.0, 10 * math.floor((min(known) - 2) / 10)) if known else 0.0, 100.0)


def whisker_shift(models: int) -> float:
    """How far apart the curves of so few models stand, in severities, so that their intervals can be seen; else 0."""
    return 0.12 if models <= WHISKERS else 0.0


def curve_range(curves: Mapping[str, Sequence[Curve]]) -> tuple[float, float]:
    """The vertical axis that all families share."""
    few = whisker_shift(max((len(of) for of in curves.values()), default=0)) > 0
    every = [p for of in curves.values() for curve in of for p in curve.points]
    return score_range([p.value for p in every] + [p.low for p in every if few])


def severity_chart(family: str, curves: Sequence[Curve], scale: tuple[float, float]) -> Canvas:
    """J&F over severity, one line per model, with whiskers where there are few models; missing cells are gaps."""
    levels, word = (curves[0].severities, curves[0].level) if curves else ((0,), "severity")
    chart = Canvas(
        f"J&F over {word} under {family}, one line per model",
        (levels[0] - 0.3, max(levels[-1], 1) + 0.3),
        scale,
        top=26,
    )
    chart.axes(f"{word} (0: clean)" if 0 in levels else word, "J&F", xticks=levels)
    apart = whisker_shift(len(curves))
    for model, curve in reversed(list(enumerate(curves))):  # the best on top
        shift = apart * (model - (len(curves) - 1) / 2)
        places = [(level + shift, p.value) for level, p in zip(curve.severities, curve.points)]
        chart.path(model, places, tip=curve.model if model >= DISTINCT else "")
        for (x, y), level, p in zip(places, curve.severities, curve.points):
            if math.isnan(y):
                continue
            if apart and not math.isnan(p.low):
                across, low = chart.at(x, max(p.low, scale[0]))
                chart.line((across, low), (across, chart.at(x, p.high)[1]), f"{colour_class(model)} whisker")
            said = f"{curve.model}\n{family}, {word} {level}: {points(y)} ({span(p)})"
            if model < DISTINCT:
                chart.add(marker(model, *chart.at(x, y), tip=said))
    return chart


def object_scatter(matrix: ScoreMatrix, order: Sequence[int]) -> Canvas | None:
    """One dot per object and model: mean J&F under corruption against clean. order: models as in the table.

    None where no object is scored clean and under every corruption.
    """
    clean = [i for i, c in enumerate(matrix.conditions) if c.is_clean]
    bad = [i for i, c in enumerate(matrix.conditions) if not c.is_clean and not c.is_stored]
    if not clean or not bad or not matrix.objects:
        return None
    chart = Canvas(
        "J&F under corruption against clean, one dot per object and model", (0, 100), (0, 100), 460, 470, 38, 12, 26, 38
    )
    chart.axes("clean J&F of an object", "mean J&F under corruption")
    chart.line(chart.at(0, 0), chart.at(100, 100), "equal")
    bare = len(chart.parts)
    for place, i in reversed(list(enumerate(order))):
        x, y = 100 * matrix.jf[i, clean[0]], 100 * matrix.jf[i, bad].mean(axis=0)
        for k in np.flatnonzero(~np.isnan(x + y)):
            video, number_of = matrix.objects[k]
            said = f"{matrix.models[i]}\n{video}, object {number_of}: {points(x[k])} clean, {points(y[k])} corrupted"
            chart.add(marker(place, *chart.at(float(x[k]), float(y[k])), 3.2, said))
    return chart if len(chart.parts) > bare else None


def over_time(
    title: str,
    tracks: Sequence[tuple[int, str, FrameScores | None, FrameScores]],
    burst: range = range(0),
    shown: Sequence[int] = (),
    size: tuple[float, float] = (340, 200),
) -> Canvas:
    """J&F by frame of one object. tracks: (place of the model, its name, clean or None, corrupted).

    Clean is thin, corrupted is thick. burst: frames that are shaded. shown: frames that are marked.
    """
    frames = [t for *_, clean, bad in tracks for one in (clean, bad) if one is not None for t in one.frames]
    chart = Canvas(f"J&F over time: {title}", (min(frames, default=0), max(frames, default=1)), (0, 100), *size, top=26)
    if burst:
        (x0, y1), (x1, y0) = chart.at(max(burst.start, chart.x[0]), 0), chart.at(min(burst.stop, chart.x[1]), 100)
        chart.add(
            Markup('<rect class="burst" x="{}" y="{}" width="{}" height="{}"/>').format(
                *map(number, (x0, y0, max(x1 - x0, 0), y1 - y0))
            )
        )
    for t in shown:
        if chart.x[0] <= t <= chart.x[1]:
            chart.line(chart.at(t, 0), chart.at(t, 100), "shown")
    chart.axes("frame", "J&F")
    for place, model, clean, bad in reversed(list(tracks)):
        for one, kind in ((clean, "clean"), (bad, "")):
            if one is not None:
                values = [50 * (j + f) for j, f in zip(one.j, one.f)]
                words = f"{model}, {'clean' if kind else 'corrupted'}"
                chart.path(place, zip(one.frames, values), kind, words)
    return chart
