"""What numbers mean: J and F of a mask, cells and the mean over them, and why a paired difference is more certain."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import cv2
import numpy as np

import robust_vos_bench as rvos
from robust_vos_bench import Condition, corrupt_video
from robust_vos_bench.analysis.compare import compare
from robust_vos_bench.analysis.intervals import Jackknife
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.datasets.video import source_frame
from robust_vos_bench.reports.heat import drop_colour, ink_on
from robust_vos_bench.runs.store import safe_name
from robust_vos_bench.scoring.adapted import boundary_map
from robust_vos_bench.scoring.geometry import Geometry
from website import photograph
from website.pictures.drawing import WIDTH, Drawing
from website.pictures.loss import SHOWN, followed

BOARD = Path(__file__).resolve().parents[2] / "leaderboards" / "results" / "davis2016-val--common-v1--part-84fbc32a"
PAIR = ("aoc.lite-corrupted[size=304]", "cfbi.lite[size=304]")
"""Results whose intervals overlap widely and whose difference is certain."""


def j_and_f() -> Drawing:
    """One mask of a network against the truth: regions that agree, and outlines that agree within the tolerance."""
    condition = Condition("motion_blur", 5)
    masks, score = followed(condition)
    k = score.indices.index(SHOWN)
    found, true = masks[SHOWN] == 1, photograph.truth()[SHOWN] == 1
    frame = source_frame(corrupt_video(photograph.clip(), condition).frames, SHOWN)
    gap = 16.0
    wide = (WIDTH - gap) / 2
    scale = wide / photograph.SIZE[1]
    high = scale * photograph.SIZE[0]
    reach = Geometry(*photograph.SIZE).radius
    drawing = Drawing("A predicted mask against the truth: J compares regions, F compares outlines", high + 92)
    grey = np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    for x in (0.0, wide + gap):
        drawing.photograph(x, 0, wide, (0.45 * grey + 50).astype(np.uint8))
    drawing.area(found & true, (0, 0, scale), "#56B4E9", 0.85)
    drawing.area(true & ~found, (0, 0, scale), "#E69F00", 0.9)
    drawing.area(found & ~true, (0, 0, scale), "#CC79A7", 0.9)
    place = wide + gap, 0.0, scale
    edge, other = boundary_map(true), boundary_map(found)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(edge.astype(np.uint8), disk) > 0
    drawing.area(near, place, "#ffffff", 0.45)
    thick = np.ones((3, 3), np.uint8)
    drawing.area(cv2.dilate((other & near).astype(np.uint8), thick) > 0, place, "#56B4E9", 1)
    drawing.area(cv2.dilate((other & ~near).astype(np.uint8), thick) > 0, place, "#E69F00", 1)
    drawing.text(0, high + 28, f"J: blue / all colours = {100 * score.j[k]:.0f} %", "bold")
    drawing.text(0, high + 54, "blue: in both · orange: missed", "soft")
    drawing.text(0, high + 79, "pink: too much", "soft")
    drawing.text(wide + gap, high + 28, f"F: outlines = {100 * score.f[k]:.0f} %", "bold")
    drawing.text(wide + gap, high + 54, f"grey band: {reach} pixels around the truth", "soft")
    drawing.text(wide + gap, high + 79, "blue: predicted in it · orange: outside", "soft")
    return drawing


def cells() -> Drawing:
    """A run of one model from its units to mPC: two videos, two corruptions at two severities."""
    with tempfile.TemporaryDirectory() as folder:
        run = rvos.run(model="labelprop", output=Path(folder) / "run", progress=False, workers=1)
        matrix, row = run.matrix, run.robustness["labelprop"]
    drawing = Drawing("From scores of single videos to P and mPC", 396)
    jf = 100 * matrix.jf[0]
    side, wide, gap, high = 128.0, 110.0, 10.0, 46.0
    labels = [c.label for c in matrix.conditions]
    left = [side + k * (wide + gap) for k in range(len(labels))]
    worst = math.ceil(row.summary.p - np.nanmin(jf))

    def square(x: float, y: float, value: float, width: float = wide, bold: bool = False) -> None:
        code = drop_colour(max(row.summary.p - value, 0), worst)
        drawing.box(x, y, width, high, "rgb({:.0f},{:.0f},{:.0f})".format(*code))
        drawing.text(x + width / 2, y + 30, f"{value:.1f}", "bold" if bold else "", "middle", ink_on(code))

    names = list(dict.fromkeys(c.corruption for c in matrix.conditions))
    spans = {}
    for name in names:
        its = [x for x, c in zip(left, matrix.conditions) if c.corruption == name]
        spans[name] = its[0], its[-1] + wide
        drawing.text(sum(spans[name]) / 2, 20, name.replace("_", " ") or "clean", "", "middle")
    for x, c in zip(left, matrix.conditions):
        drawing.text(x + wide / 2, 42, f"severity {c.severity}" if c.corruption else "", "soft small", "middle")
    y = 52.0
    for v, name in enumerate(matrix.videos):
        mine = np.flatnonzero(matrix.video_of == v)
        drawing.text(0, y + 22, name)
        drawing.text(0, y + 41, f"{len(mine)} object{'s' if len(mine) > 1 else ''}", "soft small")
        for x, column in zip(left, jf):
            square(x, y, float(column[mine].mean()))
        y += high + 8
    y += 16
    drawing.text(0, y + 22, "cell")
    drawing.text(0, y + 41, "over objects", "soft small")
    for x, label in zip(left, labels):
        square(x, y, row.summary.cells[label], bold=True)
    y += high + 24
    drawing.text(0, y + 22, "corruption")
    drawing.text(0, y + 41, "over severities", "soft small")
    for name, (x, end) in spans.items():
        if name:
            means = [row.summary.cells[c.label] for c in matrix.conditions if c.corruption == name]
            square(x, y, float(np.mean(means)), end - x)
    y += high + 24
    square(left[0], y, row.summary.p, bold=True)
    square(left[1], y, row.summary.mpc, left[-1] + wide - left[1], bold=True)
    drawing.text(0, y + 22, "P and mPC")
    drawing.text(0, y + 41, "over all", "soft small")
    return drawing


def paired() -> Drawing:
    """Eight videos, two models: wide intervals of their scores, a narrow one of the difference."""
    run = rvos.load_runs(*(BOARD / f"{safe_name(name)}.json.gz" for name in PAIR))
    matrix, table = run.matrix, run.robustness
    found = next(row for row in compare(run).headline if row.name == "mPC")
    per_video = _by_video(matrix)
    top, floor = 50.0, 290.0
    drawing = Drawing("mPC of two models per video, their intervals, and the interval of the difference", floor + 84)

    def up(value: float) -> float:
        return floor - (floor - top) * (value - 40) / 60

    drawing.text(0, 20, "mPC: eight videos, 95 % intervals", "bold")
    for value in (40, 60, 80, 100):
        drawing.line(54, up(value), 400, up(value), "axis" if value == 40 else "grid")
        drawing.text(46, up(value) + 6, str(value), "soft small", "end")
    for one, other in per_video:
        drawing.line(172, up(one), 268, up(other), "axis")
        drawing.dot(172, up(one), 0, 5)
        drawing.dot(268, up(other), 1, 5)
    for x, name, colour in ((110, PAIR[0], 0), (330, PAIR[1], 1)):
        interval = table[name].interval("mPC")
        assert interval is not None
        drawing.line(x, up(interval.low), x, up(interval.high), "thick", colour)
        drawing.dot(x, up(interval.value), colour, 8)
        drawing.text(x, floor + 28, name.partition("[")[0], "bold small", "middle", f"var(--c{colour})")
        drawing.text(x, floor + 52, f"{interval.value:.1f}", "", "middle")
        drawing.text(x, floor + 75, f"({interval.low:.0f} to {interval.high:.0f})", "soft small", "middle")
    drawing.text(440, 20, "the difference, paired", "bold")

    def along(value: float) -> float:
        return 450 + 260 * (value + 2) / 11

    for value in (0, 3, 6, 9):
        drawing.line(along(value), top, along(value), floor, "axis" if value == 0 else "grid")
        drawing.text(along(value), floor + 26, f"{value}", "soft small", "middle")
    drawing.text(along(3), floor + 52, "points, one circle per video", "soft small", "middle")
    for k, difference in enumerate(sorted(one - other for one, other in per_video)):
        drawing.dot(along(difference), top + 16 + 14 * k, 2, 5, hollow=True)
    span, y = found.interval, floor - 62
    drawing.line(along(span.low), y, along(span.high), y, "thick", 2)
    drawing.dot(along(span.value), y, 2, 8)
    drawing.text(along(3), y + 38, f"{span.value:.1f} ({span.low:.1f} to {span.high:.1f})", "bold", "middle")
    return drawing


def _by_video(matrix: ScoreMatrix) -> list[tuple[float, float]]:
    """mPC of both models per video."""
    first, second = matrix.by_video(Jackknife(matrix).statistics["mPC"])
    return list(zip(first.tolist(), second.tolist()))
