"""J&F over time on a page: of the objects of one video, and of the objects of the film strips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.object_stats import burst_frames, burst_of
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.source import Tracks
from robust_vos_bench.reports.charts.canvas import Canvas
from robust_vos_bench.reports.charts.score import over_time
from robust_vos_bench.reports.strips import Drop, Strip

OBJECTS = 6
"""Objects of a video that are drawn."""


@dataclass(frozen=True)
class TimePlots:
    """One video, clean and under the condition that costs all models together most."""

    video: str
    condition: str
    charts: tuple[Canvas, ...]
    """One per object, a line per model."""
    left_out: int
    """Objects that are not drawn."""
    burst: bool


class TrackReader:
    """J and F by frame of a run; every cell is read once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: dict[tuple[str, str], Tracks] = {}

    def cell(self, model: str, label: str) -> Tracks:
        """(video, object) -> track of one cell; empty where they were not kept."""
        if (model, label) not in self._known:
            self._known[model, label] = self._run.sources[model].tracks(label) if label else {}
        return self._known[model, label]


def time_plots(run: Run, reader: TrackReader, video: str | None, drops: Sequence[Drop]) -> TimePlots | None:
    """Of the chosen video, else of the one with the worst drop; None where no scores by frame were kept."""
    names = run.manifest.videos
    chosen = video if video in names else (drops[0].video if drops else names[0])
    clean = run.manifest.clean.label if run.manifest.clean else ""
    hard = hardest(run, chosen) or clean
    models = [row.model for row in in_order(run.robustness)]
    objects = sorted({i for model in models for name, i in reader.cell(model, hard) if name == chosen})
    charts = []
    for i in objects[:OBJECTS]:
        tracks = [
            (place, model, reader.cell(model, clean).get((chosen, i)) if hard != clean else None, track)
            for place, model in enumerate(models)
            if (track := reader.cell(model, hard).get((chosen, i))) is not None
        ]
        charts.append(over_time(f"{chosen}, object {i}, {hard}", tracks, _burst(run, hard, chosen)))
    if not charts:
        return None
    return TimePlots(chosen, hard, tuple(charts), len(objects) - len(charts), bool(_burst(run, hard, chosen)))


def with_chart(run: Run, reader: TrackReader, strip: Strip) -> Strip:
    """A film strip of a drop with J&F of its object over time, where that was kept."""
    drop = strip.drop
    if drop is None:
        return strip
    track = reader.cell(drop.model, drop.condition).get((drop.video, drop.object))
    if track is None:
        return strip
    clean = reader.cell(drop.model, run.manifest.clean.label if run.manifest.clean else "")
    place = [row.model for row in in_order(run.robustness)].index(drop.model)
    lines = [(place, drop.model, clean.get((drop.video, drop.object)), track)]
    title = f"{drop.video}, object {drop.object}, {drop.condition}"
    burst = _burst(run, drop.condition, drop.video)
    return replace(strip, chart=over_time(title, lines, burst, strip.frames, (340, 190)))


def hardest(run: Run, video: str) -> str:
    """The condition under which all models together lose most on a video; "" where nothing corrupted is scored."""
    m = run.matrix
    mine = [k for k, (name, _) in enumerate(m.objects) if name == video]
    means = {c.label: m.jf[:, i, mine].mean() for i, c in enumerate(m.conditions) if not c.is_clean and mine}
    known = {label: value for label, value in means.items() if not math.isnan(value)}
    return min(known, key=lambda label: known[label], default="")


def _burst(run: Run, condition: str, video: str) -> range:
    """Frames of a burst; empty where there is none or its frames are not known."""
    burst = burst_of(next(c for c in run.manifest.conditions if c.label == condition))
    frames = next((r[video].frames for m in run.models if video in (r := run.records(m, condition))), 0)
    return burst_frames(burst, run.manifest, video, frames) if burst is not None and frames else range(0)
