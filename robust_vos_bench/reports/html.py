"""The report: one self-contained HTML file of one or more runs."""

from __future__ import annotations

import base64
import gzip
import importlib.resources
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

from robust_vos_bench.analysis.intervals import caution
from robust_vos_bench.analysis.joint import load_runs
from robust_vos_bench.analysis.measure import Group
from robust_vos_bench.analysis.naming import preset_words
from robust_vos_bench.analysis.object_stats import burst_frames, burst_of
from robust_vos_bench.analysis.provenance import Made, Repeat, made_by, repeats
from robust_vos_bench.analysis.reopen import dataset_of
from robust_vos_bench.analysis.run import Run, load_run
from robust_vos_bench.analysis.sharing import Private
from robust_vos_bench.analysis.shown import shown_run
from robust_vos_bench.analysis.table import RobustnessTable
from robust_vos_bench.analysis.words import points, unscored_note
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports import plots
from robust_vos_bench.reports.data import scores_csv
from robust_vos_bench.reports.grids import (
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
from robust_vos_bench.reports.heat import HeatRow, heat_rows
from robust_vos_bench.reports.strips import Drop, Strip, make_strips, worst_drops
from robust_vos_bench.reports.untold import Untold, untold
from robust_vos_bench.system.atomic import write_bytes
from robust_vos_bench.system.paths import user_path

TRACKS = 6
"""Lines in the plot over time."""
MOST_SCORES = 400_000
"""Scores (objects x conditions x models) that are part of a page, some 13 bytes each: a larger page opens slowly."""


@dataclass(frozen=True)
class Section:
    """One run on the page, with everything drawn."""

    run: Run
    recipe: bool
    """Whether any model ran with untrained weights."""
    headline: Grid
    families: Grid
    robustness: Grid | None
    bursts: Grid | None
    """None in runs without bursts."""
    legends: dict[str, str]
    heat: list[HeatRow]
    curves: str
    """SVG, as are `scatter` and `time_plots`."""
    scatter: str
    time_plots: list[str]
    strips: list[Strip]
    failures: list[dict[str, Any]]
    costs: list[dict[str, Any]]
    order: str
    caution: str
    untold: Untold | None
    """What can be said of videos without truth; None where there are none."""
    about: str
    """Which preset, or what was made of it."""
    scores: str
    """CSV of the scores, gzipped, base64; "" where they are too many for a page."""
    repeats: list[Repeat]
    made_by: list[Made]


def report(
    *runs: str | Path | Run,
    output: str | Path | None = None,
    video: str | None = None,
    strips: int = 10,
    rerun: bool = False,
    data_root: str | Path | None = None,
) -> Path:
    """Write one self-contained HTML page of runs, and return its path.

    runs: run directories, packed results, or what `load_run` and `load_runs` return. Several share their tables and
    plots, on the videos and conditions that all of them have (see `load_runs`); where that cannot be, each has its own.
    output: default `report.html` in the first run directory, or beside a packed result. video: whose J and F are drawn
    over time (by default, and where a run lacks it, the one with the worst drop). strips: how many film strips of worst
    drops. rerun: run models again for strips whose masks were not saved (slow). data_root: folder of the data, where it
    is no longer where the run found it.

    The page holds no path, host or person of this machine (`analysis.sharing`).

    Raises UsageError for an unknown video, DataError for what is not a run, and MissingExtraError where the extra
    `report` (matplotlib) is not installed.
    """
    if not runs:
        raise UsageError("a report needs at least one run")
    loaded = [run if isinstance(run, Run) else load_run(run) for run in runs]
    path = page_path(loaded[0].folder) if output is None else user_path(output)
    root = None if data_root is None else user_path(data_root)
    write_bytes(path, build_report(loaded, video, strips, rerun, root).encode())
    return path


def page_path(run: Path) -> Path:
    """Where the page of a run directory or of a packed result is written by default."""
    return run / "report.html" if run.is_dir() else run.with_name(f"{run.name.removesuffix('.json.gz')}.html")


def together(runs: Sequence[Run]) -> tuple[list[Run], str]:
    """Several runs as one where that can be, else as they are; and why it cannot be, or ""."""
    try:
        return [load_runs(*runs)], ""
    except UsageError as error:
        return list(runs), str(error)


def build_report(
    runs: Sequence[Run], video: str | None = None, strips: int = 10, rerun: bool = False, data_root: Path | None = None
) -> str:
    """The page as text; see `report`."""
    runs, apart = together(runs)
    videos = list(dict.fromkeys(name for run in runs for name in run.manifest.videos))
    if video is not None and video not in videos:
        raise UsageError(f"no run has a video {video!r}; there are {', '.join(videos)}")
    folder = importlib.resources.files("robust_vos_bench.reports").joinpath("templates")
    # Everything a run says (names, errors, commands) is escaped by the environment; only our own SVG is not.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("robust_vos_bench.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["points"] = lambda v: points(float(v))
    return environment.get_template("report.html.j2").render(
        sections=[_section(run, video, strips, rerun, data_root) for run in runs],
        css=folder.joinpath("report.css").read_text(),
        script=folder.joinpath("report.js").read_text(),
        apart=apart,
        command=shlex.join,
    )


def _section(run: Run, video: str | None, strips: int, rerun: bool, data_root: Path | None) -> Section:
    open_data = partial(dataset_of, run.manifest, data_root)
    run, private = shown_run(run)
    matrix, table = run.matrix, run.robustness
    drops = worst_drops(matrix, strips)
    tau = table.order.tau
    return Section(
        run=run,
        recipe=any(model.is_recipe for model in run.manifest.models),
        **_grids(table),
        legends={group.value: legend(table, group, "html") for group in Group},
        heat=heat_rows(run.summaries),
        curves=plots.svg(plots.severity_curves(matrix, run.summaries), "J&F over severity, one plot per family"),
        scatter=plots.svg(
            plots.clean_against_corrupted(matrix), "J&F under corruption against clean, one dot per object"
        ),
        time_plots=_time_plots(run, video, drops),
        strips=[replace(s, note=private.free_text(s.note)) for s in make_strips(run, drops, open_data, rerun)],
        failures=_failures(run),
        costs=_costs(run),
        order="" if math.isnan(tau.value) else f"{tau.value:.2f} ({span(tau, 2)})",
        caution=f"{unscored_note(len(matrix.unscored_videos))} {caution(len(matrix.videos))}".strip(),
        untold=_public(untold(run, open_data), private),
        about=preset_words(run.manifest),
        repeats=repeats(run),
        made_by=made_by(run),
        scores=_scores(run),
    )


def _public(part: Untold | None, private: Private) -> Untold | None:
    if part is None:
        return None
    return replace(part, looks=tuple(replace(look, note=private.free_text(look.note)) for look in part.looks))


def _grids(table: RobustnessTable) -> dict[str, Any]:
    rows = table.by_mpc()
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


def _time_plots(run: Run, video: str | None, drops: Sequence[Drop]) -> list[str]:
    names = run.manifest.videos
    chosen = video if video in names else (drops[0].video if drops else names[0])
    shown = ["clean", *_hardest(run, chosen)]
    drawn = []
    for condition in shown:
        found = [(t.object, model, t) for model in run.models for t in run.tracks(model, condition)]
        # The first object of every model before the second of any.
        mine = sorted((f for f in found if f[2].video == chosen), key=lambda f: (f[0], run.models.index(f[1])))
        tracks = [(f"{model} · object {i}", t.frames, t.j, t.f) for i, model, t in mine[:TRACKS]]
        if tracks:
            title = f"{chosen} · {condition}"
            if len(mine) > TRACKS:
                title += f" · {TRACKS} of {len(mine)} tracks"
            figure = plots.over_time(tracks, title, _burst(run, condition, chosen))
            drawn.append(plots.svg(figure, f"J and F by frame of {title}"))
    return drawn


def _hardest(run: Run, video: str) -> list[str]:
    """The condition under which all models together lose most on a video; none where nothing corrupted is scored."""
    m = run.matrix
    mine = [k for k, (name, _) in enumerate(m.objects) if name == video]
    means = {c.label: m.jf[:, i, mine].mean() for i, c in enumerate(m.conditions) if not c.is_clean and mine}
    known = {label: value for label, value in means.items() if not math.isnan(value)}
    return [min(known, key=lambda label: known[label])] if known else []


def _burst(run: Run, condition: str, video: str) -> range:
    """Frames of a burst; empty where there is none or its frames are not known."""
    burst = burst_of(next(c for c in run.manifest.conditions if c.label == condition))
    frames = next((r[video].frames for m in run.models if video in (r := run.records(m, condition))), 0)
    return burst_frames(burst, run.manifest, video, frames) if burst is not None and frames else range(0)


def _scores(run: Run) -> str:
    if run.matrix.j.size > MOST_SCORES:
        return ""
    return base64.b64encode(gzip.compress(scores_csv(run).encode(), mtime=0)).decode()


def _failures(run: Run) -> list[dict[str, Any]]:
    return [dict(zip(("model", "condition", "video", "error"), failure)) for failure in run.tally.failures]


def _costs(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "model": model,
            "fps": cost.fps,
            "frames": cost.frames,
            "seconds": cost.seconds,
            "made": cost.made,
            "rss": cost.rss,
            "gpu": cost.gpu,
            "warnings": sorted(cost.warnings),
        }
        for model, cost in run.tally.costs.items()
    ]
