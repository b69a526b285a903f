"""One run on a page: everything that the template lays out, computed by `analysis` and drawn."""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from robust_vos_bench.analysis.finding import finding
from robust_vos_bench.analysis.intervals import caution
from robust_vos_bench.analysis.levels import Curve, drop_map, family_curves, in_order, mean_drop
from robust_vos_bench.analysis.measure import Group
from robust_vos_bench.analysis.naming import preset_words
from robust_vos_bench.analysis.provenance import Made, Repeat, made_by, repeats
from robust_vos_bench.analysis.reopen import dataset_of
from robust_vos_bench.analysis.rivals import rivals
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.sharing import Private
from robust_vos_bench.analysis.shown import shown_run
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.analysis.words import listed, plural, points, unscored_note
from robust_vos_bench.reports.charts.canvas import Canvas
from robust_vos_bench.reports.charts.rows import Bar, interval_chart
from robust_vos_bench.reports.charts.score import (
    curve_range,
    object_scatter,
    score_range,
    severity_chart,
    whisker_shift,
)
from robust_vos_bench.reports.costs import Cost, Failure, costs, failures
from robust_vos_bench.reports.data import scores_csv
from robust_vos_bench.reports.grids import (
    Column,
    Grid,
    column,
    family_columns,
    grid,
    headline_columns,
    interval_columns,
    legend,
    measure_grid,
    span,
)
from robust_vos_bench.reports.heat import Heat, HeatCell, by_model, by_severity, legend_stops, scale_of
from robust_vos_bench.reports.strips import Strip, make_strips, worst_drops
from robust_vos_bench.reports.tracks import TimePlots, TrackReader, time_plots, with_chart
from robust_vos_bench.reports.untold import Untold, untold

OPEN_HEATS = 6
"""Heat maps of single models that are open; those of the other models can be opened."""

MOST_SCORES = 400_000
"""Scores (objects x conditions x models) that are part of a page, some 13 bytes each: a larger page opens slowly."""


@dataclass(frozen=True)
class Section:
    """One run on the page, with everything drawn."""

    run: Run
    title: str
    finding: list[str]
    models: list[str]
    """In the order of every table, legend and plot."""
    recipe: bool
    """Whether any model ran with untrained weights."""
    headline: Grid
    families: Grid
    robustness: Grid | None
    bursts: Grid | None
    """None in runs without bursts."""
    legends: dict[str, str]
    scores: Markup | None
    """Scores with their intervals drawn; None where there are none, as in the charts below."""
    behind: Markup | None
    """The best model against each of the others."""
    best: str
    curves: list[tuple[str, Canvas, Grid]]
    """(family, chart, the numbers behind it)."""
    heats: list[Heat]
    overview: Heat | None
    key: list[HeatCell]
    scatter: Canvas | None
    time: TimePlots | None
    strips: list[Strip]
    failures: list[Failure]
    costs: list[Cost]
    order: str
    caution: str
    untold: Untold | None
    """What can be said of videos without truth; None where there are none."""
    about: str
    """Which preset, or what was made of it."""
    csv: str
    """The scores as CSV, gzipped, base64; "" where they are too many for a page."""
    repeats: list[Repeat]
    made_by: list[Made]

    @property
    def scored(self) -> bool:
        """Whether there is anything to show but stability."""
        return bool(self.run.matrix.objects) or self.untold is None

    @property
    def open_heats(self) -> list[Heat]:
        """The first of the heat maps."""
        return self.heats[:OPEN_HEATS]

    @property
    def closed_heats(self) -> list[Heat]:
        """The others."""
        return self.heats[OPEN_HEATS:]

    @property
    def whiskers(self) -> bool:
        """Whether the curves show intervals."""
        return whisker_shift(len(self.models)) > 0

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(id, heading) of the parts that it has."""
        parts = [
            ("untold", "Without truth", self.untold is not None),
            ("scores", "Scores", self.scored),
            ("families", "By family", self.scored and len(self.families.columns) > 2),
            ("severity", "Severity", bool(self.curves)),
            ("drops", "Drop by corruption", bool(self.heats)),
            ("strips", "Film strips", self.scored),
            ("time", "Over time", self.scored),
            ("objects", "Object by object", self.scatter is not None),
            ("beyond", "Beyond the mean", self.scored and self.robustness is not None),
            ("bursts", "Recovery after a burst", self.scored and self.bursts is not None),
            ("failures", "Failed and missing", True),
            ("cost", "Time and memory", True),
            ("provenance", "Provenance", True),
        ]
        return [(name, words) for name, words, there in parts if there]


def make_section(
    run: Run,
    video: str | None = None,
    strips: int = 10,
    rerun: bool = False,
    data_root: Path | None = None,
    dataset: str | None = None,
) -> Section:
    """Everything that a page shows of one run; see `html.report` for the arguments."""
    open_data = partial(dataset_of, run.manifest, data_root, dataset=dataset)
    run, private = shown_run(run)
    matrix, table = run.matrix, run.robustness
    rows = in_order(table)
    drops = worst_drops(matrix, max(strips, 1))
    reader = TrackReader(run)
    curves = family_curves(table) if matrix.objects else {}
    maps = (
        [drop_map(table, row) for row in rows]
        if run.manifest.clean and any(not (c.is_clean or c.is_stored) for c in matrix.conditions)
        else []
    )
    whole = [m for m, row in zip(maps, rows) if row.rank is not None]
    scale = scale_of(maps)
    made = make_strips(run, drops[:strips], open_data, rerun)
    best, others = rivals(table)
    tau = table.order.tau
    return Section(
        run=run,
        title=title_of(run, [row.model for row in rows]),
        finding=finding(table),
        models=[row.model for row in rows],
        recipe=any(model.is_recipe for model in run.manifest.models),
        **_grids(table, rows),
        legends={group.value: legend(table, group, "html") for group in Group},
        scores=_score_chart(rows) if matrix.objects else None,
        behind=_behind(rows, best, others),
        best=best,
        curves=_curves(curves),
        heats=[by_severity(m, scale, place) for place, m in enumerate(maps)],
        overview=_overview(maps, whole, scale),
        key=legend_stops(scale),
        scatter=object_scatter(matrix, [row.index for row in rows]),
        time=time_plots(run, reader, video, drops),
        strips=[with_chart(run, reader, replace(s, note=private.free_text(s.note))) for s in made],
        failures=failures(run),
        costs=costs(run),
        order="" if math.isnan(tau.value) else f"{tau.value:.2f} ({span(tau, 2)})",
        caution=f"{unscored_note(len(matrix.unscored_videos))} {caution(len(matrix.videos))}".strip(),
        untold=_public(untold(run, open_data), private),
        about=preset_words(run.manifest),
        repeats=repeats(run),
        made_by=made_by(run),
        csv=_packed_scores(run),
    )


def _packed_scores(run: Run) -> str:
    if run.matrix.j.size > MOST_SCORES:
        return ""
    return base64.b64encode(gzip.compress(scores_csv(run).encode(), mtime=0)).decode()


def title_of(run: Run, models: Sequence[str]) -> str:
    """ "aoc.lite, aot.lite and 2 more on demo, common v1"."""
    return f"{listed(models)} on {run.manifest.dataset.name}, {preset_words(run.manifest)}"


def _public(part: Untold | None, private: Private) -> Untold | None:
    if part is None:
        return None
    return replace(part, strips=tuple(replace(strip, note=private.free_text(strip.note)) for strip in part.strips))


def _grids(table: RobustnessTable, rows: Sequence[RobustnessRow]) -> dict[str, Any]:
    model = column("model", (row.model for row in rows))
    return {
        "headline": grid(
            model,
            column("rank", (row.rank or "–" for row in rows), "right"),
            headline_columns(table, rows, "html", families=False),
            column("cells", (f"{row.summary.cells_done}/{row.summary.cells_planned}" for row in rows), "right"),
        ),
        "families": grid(model, interval_columns(table, rows), family_columns(table, rows, intervals=True)),
        "robustness": measure_grid(table, rows, Group.ROBUSTNESS, "html"),
        "bursts": measure_grid(table, rows, Group.BURST, "html"),
    }


def _score_chart(rows: Sequence[RobustnessRow]) -> Markup | None:
    bars = [
        Bar(i, row.model, span_of, row.summary.p)
        for i, row in enumerate(rows)
        if (span_of := row.interval("mPC") or row.interval("P")) is not None
    ]
    values = [v for bar in bars for v in (bar.value.low, bar.value.value, bar.reference)]
    corrupted = any(row.interval("mPC") for row in rows)
    words = "J&F; filled: under corruption, with 95 % interval; hollow: clean"
    return interval_chart(
        bars,
        "Mean J&F under corruption with its 95 % interval, and clean J&F, one row per model",
        words if corrupted else "J&F in points, with its 95 % interval",
        score_range(values),
    )


def _behind(rows: Sequence[RobustnessRow], best: str, others: Sequence[Any]) -> Markup | None:
    places = {row.model: i for i, row in enumerate(rows)}
    bars = []
    for rival in others:
        certain = "certain" if rival.certain else "not certain"
        note = f"{points(rival.behind.value)} ({span(rival.behind)}), {certain}"
        bars.append(Bar(places[rival.model], rival.model, rival.behind, note=note))
    ends = [v for bar in bars for v in (bar.value.low, bar.value.high, bar.value.value) if not math.isnan(v)]
    if not ends:
        return None
    low, high = min(0.0, *ends), max(0.0, *ends)
    return interval_chart(
        bars,
        f"mPC of {best} minus that of each other model, with 95 % intervals",
        "points of mPC behind, with 95 % interval",
        (low - 0.04 * (high - low), high + 0.04 * (high - low)),
        zero=True,
    )


def _curves(curves: dict[str, list[Curve]]) -> list[tuple[str, Canvas, Grid]]:
    scale = curve_range(curves)
    return [(family, severity_chart(family, of, scale), _curve_grid(of)) for family, of in curves.items()]


def _curve_grid(curves: Sequence[Curve]) -> Grid:
    levels = curves[0].severities if curves else ()
    columns = []
    for k, level in enumerate(levels):
        cells = [curve.points[k] for curve in curves]
        heading = f"{curves[0].level} {level}" if level else "clean"
        columns.append(Column(heading, tuple(points(p.value) for p in cells), notes=tuple(map(span, cells))))
    return grid(column("model", (curve.model for curve in curves)), columns)


def _overview(maps: Sequence[Any], whole: Sequence[Any], scale: float) -> Heat | None:
    """Corruption x model for several models, with the mean over the complete ones."""
    if len(maps) < 2:
        return None
    mean = mean_drop(whole)
    return by_model([*maps, *([mean] if mean is not None and len(whole) > 1 else [])], scale)


def videos_words(run: Run) -> str:
    """ "5 videos (1 not scored), 9 objects"."""
    unscored = len(run.matrix.unscored_videos)
    note = f" ({unscored} not scored)" if unscored else ""
    return f"{plural(len(run.manifest.videos), 'video')}{note}, {plural(len(run.matrix.objects), 'object')}"
