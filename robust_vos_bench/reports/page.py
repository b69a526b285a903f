"""The report: one self-contained HTML file of one or more runs."""

from __future__ import annotations

import base64
import csv
import gzip
import importlib.resources
import io
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.atomic import write_bytes
from robust_vos_bench.errors import MissingExtraError, UsageError
from robust_vos_bench.reports import plots
from robust_vos_bench.reports.bootstrap import Bootstrap, Interval, caution, ranks, statistics
from robust_vos_bench.reports.metrics import order_consistency, severity_area, share_lost, worst_corruption
from robust_vos_bench.reports.run import Run
from robust_vos_bench.reports.strips import Drop, Strip, make_strips, worst_drops
from robust_vos_bench.reports.summary import Summary
from robust_vos_bench.reports.text import points

TRACKS = 6
"""Lines in the plot over time."""


@dataclass(frozen=True)
class Section:
    """One run on the page, with everything drawn."""

    run: Run
    rows: list[dict[str, Any]]
    families: list[str]
    heat: list[dict[str, Any]]
    curves: str
    scatter: str
    time_plots: list[str]
    strips: list[Strip]
    failures: list[dict[str, Any]]
    costs: list[dict[str, Any]]
    order: str
    caution: str
    scores: str
    """gzipped CSV of the tidy scores, base64."""


def build_report(
    runs: Sequence[Run], video: str | None = None, strips: int = 10, rerun: bool = False, data_root: Path | None = None
) -> str:
    """The page as text. video: whose J and F are drawn over time (default: the one with the worst drop).

    Raises MissingExtraError where the extra `report` is not installed, UsageError for an unknown video.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("reports need jinja2 and matplotlib: pip install 'rvos-bench[report]'") from error
    folder = importlib.resources.files("robust_vos_bench.reports").joinpath("templates")
    # Everything a run says (names, errors, commands) is escaped by the environment; only our own SVG is not.
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["points"] = lambda v: points(float(v)) if v is not None else "n/a"
    environment.filters["span"] = _span
    template = environment.from_string(folder.joinpath("report.html.j2").read_text())
    return template.render(
        sections=[_section(run, video, strips, rerun, data_root) for run in runs],
        css=folder.joinpath("report.css").read_text(),
        script=folder.joinpath("report.js").read_text(),
        command=shlex.join,
    )


def write_report(path: Path, runs: Sequence[Run], **options: Any) -> None:
    """Build the page and replace the file."""
    write_bytes(path, build_report(runs, **options).encode())


def _section(run: Run, video: str | None, strips: int, rerun: bool, data_root: Path | None) -> Section:
    matrix = run.matrix
    boot = Bootstrap(matrix)
    stats = statistics(matrix)
    drops = worst_drops(matrix, strips)
    order = order_consistency(boot)
    return Section(
        run=run,
        rows=_rows(run, boot, stats),
        families=[name.removeprefix("family:") for name in stats if name.startswith("family:")],
        heat=_heat(run.summaries),
        curves=plots.svg(plots.severity_curves(matrix, run.summaries), "J&F over severity, one plot a family"),
        scatter=plots.svg(plots.clean_against_corrupted(matrix), "J&F under corruption against clean, a dot an object"),
        time_plots=_time_plots(run, video, drops),
        strips=make_strips(run, drops, data_root, rerun),
        failures=_failures(run),
        costs=_costs(run),
        order="" if math.isnan(order.tau.value) else f"{order.tau.value:.2f} ({_span(order.tau, 2)})",
        caution=caution(len(matrix.videos)),
        scores=base64.b64encode(gzip.compress(_tidy(run).encode(), mtime=0)).decode(),
    )


def _span(value: Interval, digits: int = 1) -> str:
    return "n/a" if math.isnan(value.low) else f"{value.low:.{digits}f} to {value.high:.{digits}f}"


def _rows(run: Run, boot: Bootstrap, stats: dict[str, Any]) -> list[dict[str, Any]]:
    placed = ranks(boot, stats["mPC"]) if "mPC" in stats else {}
    levels = [(c.corruption, c.severity, c.label) for c in run.matrix.conditions if not c.is_clean]
    none = Interval(math.nan, math.nan, math.nan)
    rows = []
    for i, s in enumerate(run.summaries):
        tracks = [t.j for c in run.matrix.conditions if not c.is_clean for t in _tracks(run, c.label, s.model)]
        rows.append(
            {
                "s": s,
                "rank": placed[i].rank if i in placed else "–",
                "mpc": boot.interval(i, stats["mPC"]) if "mPC" in stats else none,
                "area": severity_area(s, levels) if levels else math.nan,
                "lost": 100 * share_lost(tracks),
                "worst_corruption": worst_corruption(s),
                "recipe": run.manifest.models[i].is_recipe,
            }
        )
    return sorted(rows, key=lambda r: (math.isnan(r["s"].mpc), -r["s"].mpc if not math.isnan(r["s"].mpc) else 0))


def _tracks(run: Run, condition: str, model: str) -> list[Any]:
    return list(run.store.frame_scores(condition, model).values())


def _heat(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Rows of the corruption x model table: value and shade (0 dark .. 1 light) of every cell."""
    names = list(dict.fromkeys(name for s in summaries for name in s.corruptions))
    rows = []
    for name in ["clean", *names]:
        values = [s.p if name == "clean" else s.corruptions.get(name, math.nan) for s in summaries]
        rows.append({"name": name, "cells": [{"value": v, "colour": _shade(v), "ink": _ink(v)} for v in values]})
    return rows


_CIVIDIS = np.array([(0, 34, 78), (53, 69, 108), (102, 105, 112), (148, 142, 119), (200, 184, 102), (254, 232, 56)])


def _shade(value: float) -> str:
    """Cividis from 0 to 100 points: dark blue to yellow, even to any colour vision and in print."""
    if math.isnan(value):
        return "transparent"
    x = np.clip(value, 0, 100) / 100 * (len(_CIVIDIS) - 1)
    low = int(min(x, len(_CIVIDIS) - 2))
    r, g, b = (_CIVIDIS[low] + (_CIVIDIS[low + 1] - _CIVIDIS[low]) * (x - low)).round().astype(int)
    return f"rgb({r},{g},{b})"


def _ink(value: float) -> str:
    return "inherit" if math.isnan(value) else "#000" if value > 55 else "#fff"


def _time_plots(run: Run, video: str | None, drops: Sequence[Drop]) -> list[str]:
    names = run.manifest.videos
    if video is not None and video not in names:
        raise UsageError(f"the run has no video {video!r}; it has {', '.join(names)}")
    chosen = video or (drops[0].video if drops else names[0])
    shown = ["clean", *dict.fromkeys(d.condition for d in drops if d.video == chosen)][:2]
    drawn = []
    for condition in shown:
        tracks: list[tuple[str, int, Sequence[float], Sequence[float]]] = []
        for model in run.models:
            for track in _tracks(run, condition, model):
                if track.video == chosen and len(tracks) < TRACKS:
                    tracks.append((f"{model} · object {track.object}", track.first, track.j, track.f))
        if tracks:
            title = f"{chosen} · {condition}"
            drawn.append(plots.svg(plots.over_time(tracks, title), f"J and F by frame of {title}"))
    return drawn


def _failures(run: Run) -> list[dict[str, Any]]:
    rows = []
    for (model, label), videos in run.matrix.missing_videos.items():
        records = run.records(model, label)
        for name in videos:
            error = records[name].error if name in records else "not run"
            rows.append({"model": model, "condition": label, "video": name, "error": error})
    return rows


def _costs(run: Run) -> list[dict[str, Any]]:
    rows = []
    for model in run.models:
        records = [r for c in run.conditions for r in run.records(model, c).values() if r.ok]
        frames, seconds = sum(r.frames for r in records), sum(r.seconds_model for r in records)
        rows.append(
            {
                "model": model,
                "fps": frames / seconds if seconds else math.nan,
                "frames": frames,
                "seconds": seconds,
                "made": sum(r.seconds_frames for r in records),
                "rss": max((r.peak_rss_mib for r in records), default=math.nan),
                "gpu": max((r.peak_gpu_mib for r in records), default=math.nan),
                "warnings": sorted({w for r in records for w in r.warnings}),
            }
        )
    return rows


def _tidy(run: Run) -> str:
    """Scores to four decimals, a row an object: small enough to travel inside the page."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "condition", "video", "object", "J", "F"])
    m = run.matrix
    for a, model in enumerate(m.models):
        for b, condition in enumerate(m.conditions):
            for k, (video, i) in enumerate(m.objects):
                if not math.isnan(m.j[a, b, k]):
                    writer.writerow([model, condition.label, video, i, f"{m.j[a, b, k]:.4f}", f"{m.f[a, b, k]:.4f}"])
    return text.getvalue()
