"""How time and memory grow with the work: one axis at a time, through the engine and the reports. Table and plot.

    python benchmarks/growth.py [--axis frames,objects] [--quick] [--write]

An axis makes one thing larger and keeps the others: conditions, videos, frames of one video, objects, models, pixels.
The model is `static`, which costs next to nothing, so that what grows is the engine's. Every point is two fresh
processes, `rvos-bench run` with one worker and `rvos-bench report`, each measured as a whole: CPU seconds of the
process tree and peak MiB. `exponent` is the slope of log cost over log work between the two largest points, after what
the smallest point costs (start, imports) is taken away: 1 is linear, below 1 is better. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cost import Cost, measured
from PIL import Image

HERE = Path(__file__).resolve().parent
TABLE, FIGURES, PLOT = HERE / "growth.md", HERE / "growth.csv", HERE / "growth.svg"
CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "brightness", "contrast", "saturate", "pixelate",
    "jpeg_compression", "defocus_blur", "gaussian_blur", "fog", "snow", "spatter", "frost",
)  # fmt: skip


@dataclass(frozen=True)
class Work:
    """One run."""

    conditions: int = 1
    """Beside clean."""
    videos: int = 2
    frames: int = 10
    objects: int = 1
    models: int = 1
    height: int = 48
    """Width is 16 / 9 of it."""


@dataclass(frozen=True)
class Axis:
    """What is made larger, from small to large."""

    name: str
    unit: str
    points: Sequence[int]
    base: Work

    def at(self, point: int) -> Work:
        """The run at one point."""
        return replace(self.base, **{self.name: point})

    def size(self, point: int) -> float:
        """How much work a point is: pixels for the height, else itself."""
        return point * round(point * 16 / 9) if self.name == "height" else float(point)


AXES = (
    Axis("conditions", "conditions", (5, 15, 30, 75), Work(videos=4)),
    Axis("videos", "videos", (10, 50, 150, 500), Work(frames=6)),
    Axis("frames", "frames of one video", (500, 2000, 6000, 20000), Work(videos=1)),
    Axis("objects", "objects per video", (5, 20, 50, 100), Work(videos=1, frames=30, height=240)),
    Axis("models", "models", (2, 5, 15, 30), Work(videos=8)),
    Axis("height", "rows (16 : 9; 2160 is 4K)", (270, 540, 1080, 2160), Work(videos=1, frames=12)),
)


def write_clips(root: Path, work: Work) -> None:
    """A folder data set: a noisy picture that drifts, objects in a grid that drift with it."""
    rng = np.random.default_rng(0)
    height, width = work.height, round(work.height * 16 / 9)
    base = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    side = math.ceil(math.sqrt(work.objects))
    mask = np.zeros((height, width), np.uint8)
    for i in range(work.objects):
        y, x = (i // side) * height // side, (i % side) * width // side
        mask[y + 1 : y + max(2, height // side - 2), x + 1 : x + max(2, width // side - 2)] = i + 1
    for video in range(work.videos):
        images, masks = root / "JPEGImages" / f"v{video:03}", root / "Annotations" / f"v{video:03}"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for t in range(work.frames):
            shift = t % 8
            Image.fromarray(np.roll(base[:height, :width], shift, axis=1)).save(images / f"{t:05}.jpg")
            Image.fromarray(np.roll(mask, shift // 4, axis=1)).save(masks / f"{t:05}.png", compress_level=1)


def run(work: Work) -> tuple[Cost, Cost]:
    """The cost of the run and of its report."""
    levels = math.ceil(work.conditions / len(CORRUPTIONS))
    chosen = CORRUPTIONS[: math.ceil(work.conditions / levels)]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"OMP_NUM_THREADS": "1", "RVOS_BENCH_REUSE": "0"}
    command = [sys.executable, "-m", "robust_vos_bench.cli"]
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "clips", Path(folder) / "run"
        write_clips(data, work)
        names = ",".join(f"m{i:02}=static" for i in range(work.models))
        words = ["--model", names, "--corruption", ",".join(chosen), "--dataset", "folder", "--data-root", str(data)]
        words += ["--severity", ",".join(map(str, range(1, levels + 1))), "--workers", "1", "--output", str(out), "-q"]
        return (
            measured([*command, "run", *words], Path(folder), env),
            measured([*command, "report", str(out), "--strips", "2"], Path(folder), env),
        )


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope between the two largest points over the smallest; NaN where the cost does not grow beyond noise."""
    if len(sizes) < 3:
        return math.nan
    grown = [cost - costs[0] for cost in costs[-2:]]
    work = [size - sizes[0] for size in sizes[-2:]]
    if grown[0] <= 0.2 or grown[1] <= 0.2:
        return math.nan
    return math.log(grown[1] / grown[0]) / math.log(work[1] / work[0])


Found = Mapping[int, tuple[Cost, Cost]]


def read_figures() -> dict[str, dict[int, tuple[Cost, Cost]]]:
    """What was measured before, axis by axis."""
    found: dict[str, dict[int, tuple[Cost, Cost]]] = {}
    if FIGURES.exists():
        with FIGURES.open() as file:
            for row in csv.DictReader(file):
                costs = [
                    Cost(*(float(row[f"{part} {what}"]) for what in ("wall", "cpu", "mib", "written")))
                    for part in ("run", "report")
                ]
                found.setdefault(row["axis"], {})[int(row["point"])] = (costs[0], costs[1])
    return found


def write_figures(found: Mapping[str, Found]) -> None:
    """Every point as a line of CSV."""
    with FIGURES.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        parts = [f"{part} {what}" for part in ("run", "report") for what in ("wall", "cpu", "mib", "written")]
        writer.writerow(["axis", "point", *parts])
        for axis, points in found.items():
            for point, costs in points.items():
                values = [v for c in costs for v in (c.wall, c.cpu, c.peak_mib, c.written_mib)]
                writer.writerow([axis, point, *(f"{v:.3f}" for v in values)])


def table(found: Mapping[str, Found]) -> str:
    """All axes as Markdown."""
    lines = [
        "| axis | point | run, CPU s | run, MiB | report, CPU s | report, MiB | exponent of run | of report |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for axis in AXES:
        points = found.get(axis.name, {})
        sizes = [axis.size(point) for point in points]
        slopes = [exponent(sizes, [costs[i].cpu for costs in points.values()]) for i in (0, 1)]
        for point, (engine, report) in points.items():
            last = point == max(points)
            shown = ["" if not last else "–" if math.isnan(s) else f"{s:.2f}" for s in slopes]
            cells = f"{engine.cpu:.1f} | {engine.peak_mib:.0f} | {report.cpu:.1f} | {report.peak_mib:.0f}"
            lines.append(f"| {axis.unit} | {point} | {cells} | {' | '.join(shown)} |")
    return "\n".join(lines)


def draw(found: Mapping[str, Found]) -> None:
    """A plot per axis: CPU seconds on the left scale, MiB on the right one, both logarithmic, with a linear guide."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    for place, axis in zip(figure.subplots(2, 3).ravel(), AXES):
        points = found.get(axis.name, {})
        if not points:
            continue
        x = [axis.size(point) for point in points]
        for i, (name, colour) in enumerate((("run", "#0072b2"), ("report", "#d55e00"))):
            place.plot(x, [c[i].cpu for c in points.values()], "o-", color=colour, label=f"{name}, CPU s")
            memory = [c[i].peak_mib / 100 for c in points.values()]
            place.plot(x, memory, "s:", color=colour, alpha=0.6, label=f"{name}, 100 MiB")
        top = max(c.cpu for costs in points.values() for c in costs)
        place.plot(x, [top * v / x[-1] for v in x], color="grey", linewidth=0.8, label="linear")
        place.set(xscale="log", yscale="log", xlabel=axis.unit if axis.name != "height" else "pixels of a frame")
        place.set_ylim(bottom=0.2)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Measure and print; with --write into growth.md, growth.csv and growth.svg."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axis", default=",".join(a.name for a in AXES), help="axes, by comma")
    parser.add_argument("--quick", action="store_true", help="without the largest point of each axis")
    parser.add_argument("--write", action="store_true", help="the other axes stay as they were measured before")
    given = parser.parse_args()
    found: dict[str, dict[int, tuple[Cost, Cost]]] = read_figures() if given.write else {}
    for axis in AXES:
        if axis.name in given.axis.split(","):
            found[axis.name] = {}
            for point in axis.points[:-1] if given.quick else axis.points:
                found[axis.name][point] = run(axis.at(point))
                print(axis.name, point, *found[axis.name][point], file=sys.stderr, flush=True)
            if given.write:
                write_figures(found)
    text = "\n".join(
        [
            "# How cost grows with the work",
            "",
            "`python benchmarks/growth.py --write`. What the script does is said in its first lines. The machine was "
            "shared: compare exponents and orders of magnitude.",
            "",
            table(found),
            "",
            "What grows in memory with the frames is the packed truth of the video, which every condition and model is "
            "scored against: it is kept up to 256 MiB per video and 1 GiB per worker, compressed beyond an eighth of "
            "that, and packed anew beyond all of it. "
            "Beside it are names and times of frames. With the pixels grow the frames in flight.",
            "",
            "![CPU seconds and memory over the work](growth.svg)",
            "",
            f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, load average "
            f"{os.getloadavg()[0]:.1f} at the end ({given.axis.replace(',', ', ')}; any other axis is of an earlier "
            "time).",
        ]
    )
    print(text)
    if given.write:
        TABLE.write_text(text + "\n")
        draw(found)


if __name__ == "__main__":
    main()
