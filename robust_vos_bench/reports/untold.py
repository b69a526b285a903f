"""The part of a report on videos without truth: how stable masks are, and pictures of where they are least so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.without_truth import MEANING, by_corruption, mean_of, severities, why_no_scores
from robust_vos_bench.analysis.words import points
from robust_vos_bench.conditions import corrupt_video
from robust_vos_bench.datasets import Dataset, Frame
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.overlay import draw_overlay
from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.reports.grids import Column, Grid, column, grid
from robust_vos_bench.reports.strips import Strip, condition_of, frames_to_show, jpeg, pick, picture_size

MOST = 10
"""Rows of pictures."""


@dataclass(frozen=True)
class Untold:
    """What a report says of videos without truth."""

    why: str
    meaning: str
    stability: Grid
    """A row per model and corruption, a column per severity."""
    strips: tuple[Strip, ...]
    """Videos under the condition that changes a model's masks most."""


def untold(run: Run, open_data: Callable[[], Dataset]) -> Untold | None:
    """The part of one run; None where every video has a truth. open_data: opens the data of the run."""
    if not run.matrix.unscored_videos:
        return None
    return Untold(why_no_scores(run.matrix), MEANING, _grid(run), tuple(_strips(run, open_data)))


def _grid(run: Run) -> Grid:
    rows = in_order(run.robustness)
    tables = [by_corruption(run.matrix, row) for row in rows]
    levels = severities(tables)
    lines: list[tuple[str, str, dict[int, float], float]] = [(row.model, "all", {}, row["stability"]) for row in rows]
    lines += [(row.model, name, of, mean_of(of)) for row, table in zip(rows, tables) for name, of in table.items()]
    lines.sort(key=lambda line: [row.model for row in rows].index(line[0]))
    return grid(
        column("model", (line[0] for line in lines)),
        column("corruption", (line[1] for line in lines)),
        [Column(f"severity {s}", tuple(points(of[s]) if s in of else "" for _, _, of, _ in lines)) for s in levels],
        Column("mean", tuple(points(line[3]) for line in lines), strong=True),
    )


def _strips(run: Run, open_data: Callable[[], Dataset]) -> list[Strip]:
    try:
        dataset = open_data()
    except RvosError as error:
        return [Strip(run.matrix.unscored_videos[0], (), (), f"no pictures: {error}")]
    found: list[Strip] = []
    for video in run.matrix.unscored_videos:
        for model in run.models:
            if len(found) < MOST and (worst := _worst(run, model, video)) is not None:
                title = f"{video} · {model} · least stable under {worst[0]}: {points(worst[1])}"
                try:
                    found.append(_strip(run, dataset, video, model, worst[0], title))
                except (RvosError, OSError) as error:
                    found.append(Strip(title, (), (), f"no pictures: {error}"))
    return found


def _worst(run: Run, model: str, video: str) -> tuple[str, float] | None:
    """(condition, stability) where a model's masks of a video differ most from its clean ones; None where unknown."""
    means: dict[str, list[float]] = {}
    for stats in run.object_stats(model):
        if stats.video == video and not stats.scored and stats.stability is not None:
            means.setdefault(stats.condition, []).append(100 * stats.stability)
    if not means:
        return None
    label = min(means, key=lambda name: sum(means[name]) / len(means[name]))
    return label, sum(means[label]) / len(means[label])


def _strip(run: Run, dataset: Dataset, video: str, model: str, label: str, title: str) -> Strip:
    clip = dataset.video(video)
    frames = frames_to_show(len(clip))
    wanted = set(frames)
    clean = dict(pick(iter(clip.frames), wanted))
    bad = dict(pick(iter(corrupt_video(clip, condition_of(run, label)).frames), wanted))
    clean_label = run.manifest.clean.label if run.manifest.clean else ""

    def drawn(pictures: dict[int, Frame], condition: str) -> tuple[str, ...]:
        folder = run.sources[model].masks(condition, video)
        if folder is None:
            raise DataError("a packed result has no masks")
        masks = {t: read_mask(folder / f"{clip.frame_names[t]}.png", clip.size) for t in frames}
        return tuple(jpeg(draw_overlay(pictures[t], masks[t], labels=False)) for t in frames)

    rows = (("clean, prediction", drawn(clean, clean_label)), (f"{label}, prediction", drawn(bad, label)))
    return Strip(title, frames, rows, size=picture_size(clip.size))
