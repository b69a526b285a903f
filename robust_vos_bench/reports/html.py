"""The report: one self-contained HTML file of one or more runs."""

from __future__ import annotations

import base64
import csv
import dataclasses
import gzip
import importlib.resources
import io
import itertools
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.bootstrap import Bootstrap, Interval, caution, ranks, statistics
from robust_vos_bench.analysis.leaderboard import preset_words
from robust_vos_bench.analysis.measures import order_consistency
from robust_vos_bench.analysis.object_stats import burst_frames, burst_of
from robust_vos_bench.analysis.robustness import plain
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.summary import Summary
from robust_vos_bench.errors import MissingExtraError, UsageError
from robust_vos_bench.reports import plots
from robust_vos_bench.reports.strips import Drop, Strip, make_strips, worst_drops
from robust_vos_bench.reports.text import left_out, points
from robust_vos_bench.system.atomic import write_bytes

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
    about: str
    """Which preset, or what was made of it."""
    bursts: bool
    """Whether any condition is a burst."""
    scores: str
    """gzipped CSV of the tidy scores, base64."""


def build_report(
    runs: Sequence[Run], video: str | None = None, strips: int = 10, rerun: bool = False, data_root: Path | None = None
) -> str:
    """The page as text. video: whose J and F are drawn over time (where a run lacks it, and by default: the one with
    the worst drop).

    Raises MissingExtraError where the extra `report` is not installed, UsageError for an unknown video.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("reports need jinja2 and matplotlib: pip install 'rvos-bench[report]'") from error
    videos = list(dict.fromkeys(name for run in runs for name in run.manifest.videos))
    if video is not None and video not in videos:
        raise UsageError(f"no run has a video {video!r}; there are {', '.join(videos)}")
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


def numbers(run: Run) -> dict[str, Any]:
    """The tables of the page as plain data, in points and percent; missing is null."""
    boot = Bootstrap(run.matrix)
    stats = statistics(run.matrix)
    placed = ranks(boot, stats["mPC"]) if "mPC" in stats else {}
    order = order_consistency(boot)
    models = []
    for i, s in enumerate(run.summaries):
        spans = {name: boot.interval(i, weights) for name, weights in stats.items()}
        if "P" in stats and "mPC" in stats:
            spans["rPC"] = boot.ratio(i, stats["mPC"], stats["P"])
        models.append(
            {
                **dataclasses.asdict(s),
                "rank": placed[i].rank if i in placed else None,
                "rank_interval": [placed[i].low, placed[i].high] if i in placed else None,
                "intervals": {name.removeprefix("family:"): [v.low, v.high] for name, v in spans.items()},
                "beyond": dataclasses.asdict(run.beyond[i]),
            }
        )
    found = {
        "run": run.manifest.run_id,
        "dataset": run.manifest.dataset["name"],
        "preset": preset_words(run.manifest),
        "models": models,
        "order_consistency": {"tau": order.tau.value, "interval": [order.tau.low, order.tau.high]},
    }
    return plain(found)  # type: ignore[no-any-return]


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
        caution=f"{left_out(len(matrix.unscored_videos))} {caution(len(matrix.videos))}".strip(),
        about=preset_words(run.manifest),
        bursts=any(found.burst is not None for found in run.beyond),
        scores=base64.b64encode(gzip.compress(_tidy(run).encode(), mtime=0)).decode(),
    )


def _span(value: Interval, digits: int = 1) -> str:
    return "n/a" if math.isnan(value.low) else f"{value.low:.{digits}f} to {value.high:.{digits}f}"


def _rows(run: Run, boot: Bootstrap, stats: dict[str, Any]) -> list[dict[str, Any]]:
    placed = ranks(boot, stats["mPC"]) if "mPC" in stats else {}
    none = Interval(math.nan, math.nan, math.nan)
    rows = []
    for i, s in enumerate(run.summaries):
        spans = {name.removeprefix("family:"): boot.interval(i, weights) for name, weights in stats.items()}
        rows.append(
            {
                "s": s,
                "rank": str(placed[i]) if i in placed else "–",
                "mpc": spans.get("mPC", none),
                "rpc": boot.ratio(i, stats["mPC"], stats["P"]) if {"P", "mPC"} <= stats.keys() else none,
                "spans": spans,
                "beyond": run.beyond[i],
                "recipe": run.manifest.models[i].is_recipe,
            }
        )
    return sorted(rows, key=lambda r: (math.isnan(r["s"].mpc), -r["s"].mpc if not math.isnan(r["s"].mpc) else 0))


def _heat(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Rows of the corruption x model table: value and shade (0 dark .. 1 light) of every cell."""
    names = list(dict.fromkeys(name for s in summaries for name in s.corruptions))
    rows = []
    for name in ["clean", *names]:
        values = [s.p if name == "clean" else s.corruptions.get(name, math.nan) for s in summaries]
        rows.append({"name": name, "cells": [{"value": v, "colour": _shade(v), "ink": _ink(v)} for v in values]})
    return rows


_CIVIDIS = np.array([(0, 34, 78), (53, 69, 108), (102, 105, 112), (148, 142, 119), (200, 184, 102), (254, 232, 56)])


def _colour(value: float) -> NDArray[np.float64]:
    """Cividis from 0 to 100 points: dark blue to yellow, even to any colour vision and in print."""
    x = np.clip(value, 0, 100) / 100 * (len(_CIVIDIS) - 1)
    low = int(min(x, len(_CIVIDIS) - 2))
    return np.asarray((_CIVIDIS[low] + (_CIVIDIS[low + 1] - _CIVIDIS[low]) * (x - low)).round())


def _shade(value: float) -> str:
    return "transparent" if math.isnan(value) else "rgb({:.0f},{:.0f},{:.0f})".format(*_colour(value))


def _ink(value: float) -> str:
    """Black or white, whichever stands out more (contrast of relative luminance, WCAG 2)."""
    if math.isnan(value):
        return "inherit"
    code = _colour(value) / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    return "#000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#fff"


def _time_plots(run: Run, video: str | None, drops: Sequence[Drop]) -> list[str]:
    names = run.manifest.videos
    chosen = video if video in names else (drops[0].video if drops else names[0])
    shown = ["clean", *_hardest(run, chosen)]
    drawn = []
    for condition in shown:
        found = [(t.object, model, t) for model in run.models for t in run.tracks(model, condition)]
        # Every model's first object before anybody's second.
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
    """Frames of a burst; empty where there is none or its place is not known."""
    burst = burst_of(next(c for c in run.manifest.conditions if c["label"] == condition))
    frames = next((r[video].frames for m in run.models if video in (r := run.records(m, condition))), 0)
    return burst_frames(burst, run.manifest, video, frames) if burst is not None and frames else range(0)


def _failures(run: Run) -> list[dict[str, Any]]:
    rows = []
    for model, label in itertools.product(run.models, run.conditions):
        records = run.records(model, label)
        for name in run.manifest.videos:  # those that nobody can be scored on as well
            if name not in records or not records[name].ok:
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
