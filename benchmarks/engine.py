"""What the engine costs beside the work: a unit, a start, a resume, the overview. Prints a Markdown table.

    python benchmarks/engine.py [--write benchmarks/engine.md]

Run it on an idle machine. Every command is a fresh process and is timed by its wall clock; the table has medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

VIDEOS, FRAMES, SIZE = 30, 4, (32, 48)
"""Of the data set on which units cost next to nothing: as many videos as DAVIS 2017 val."""
RUN = [sys.executable, "-m", "robust_vos_bench.cli"]


def timed(words: Sequence[str], cwd: Path, repeats: int) -> float:
    """Median wall seconds of a command."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([*RUN, *words], cwd=cwd, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def write_clips(root: Path) -> None:
    """A folder data set of tiny clips with one moving object."""
    rng = np.random.default_rng(0)
    for video in range(VIDEOS):
        images, masks = root / "JPEGImages" / f"v{video:02}", root / "Annotations" / f"v{video:02}"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for t in range(FRAMES):
            mask = np.zeros(SIZE, np.uint8)
            mask[8:20, 4 + t : 20 + t] = 1
            Image.fromarray(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)).save(images / f"{t:05}.png")
            Image.fromarray(mask).save(masks / f"{t:05}.png")


def trace(out: Path) -> list[dict[str, Any]]:
    """Events of a run made with --profile."""
    events: list[dict[str, Any]] = json.loads((out / "trace.json").read_text())["traceEvents"]
    return [event for event in events if event["ph"] == "X"]


def first_frame(cwd: Path, number: int, *more: str) -> float:
    """Seconds from the start of `rvos-bench run` to the end of its first segmented frame."""
    out = cwd / f"start{number}"
    begun = time.time()
    words = ["run", "--model", "static", "--output", str(out), "--profile", "--quiet", *more]
    subprocess.run([*RUN, *words], cwd=cwd, check=True, capture_output=True)
    first: float = min(e["ts"] for e in trace(out) if e["name"] == "score") / 1e6
    return first - begun


def unit_cost(out: Path) -> tuple[int, float]:
    """(units, seconds that a worker spends on a unit beside decoding, corrupting, segmenting and scoring)."""
    spans = defaultdict(list)
    for event in trace(out):
        if event["name"] == "unit":
            spans[event["pid"]].append((event["ts"], event["ts"] + event["dur"]))
    beside, units = 0.0, 0
    for found in spans.values():
        beside += max(b for _, b in found) - min(a for a, _ in found) - sum(b - a for a, b in found)
        units += len(found)
    return units, beside / units / 1e6


def write_cost(cwd: Path) -> float:
    """Seconds to write and sync a record with the scores of 70 frames, J and F by frame included."""
    from robust_vos_bench.runs.records import FrameScores, ObjectRecord, UnitRecord
    from robust_vos_bench.runs.store import RunStore

    store = RunStore(cwd / "store")
    objects = tuple(ObjectRecord(i, 68, *(0.123456789,) * 6) for i in (1, 2))
    frames = tuple(FrameScores("video", i, 1, (0.1234,) * 68, (0.1234,) * 68) for i in (1, 2))
    seconds = []
    for i in range(100):
        record = UnitRecord("0" * 24, "model", "clean", f"video{i}", "ok", objects, 70, 1.0, 1.0, 1.0)
        start = time.perf_counter()
        store.add(record, frames)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure(cwd: Path, repeats: int) -> list[tuple[str, str, str]]:
    """(what, measured, wanted) of every row."""
    clips = cwd / "clips"
    write_clips(clips)
    grid = ["run", "--model", "static", "--preset", "common", "--dataset", "folder", "--data-root", str(clips)]
    rows = [("`rvos-bench --help`", f"{timed(['--help'], cwd, 2 * repeats + 1):.2f} s", "< 0.3 s")]
    for workers, number in ((1, 100), (2, 200)):
        starts = [first_frame(cwd, number + i, "--workers", str(workers)) for i in range(repeats)]
        what = "one worker" if workers == 1 else f"{workers} worker processes"
        found = f"{statistics.median(starts):.2f} s"
        rows.append((f"`run --model static` on demo to the first segmented frame, {what}", found, "< 3 s"))
    for workers in (1, 2):
        out = cwd / f"grid{workers}"
        command = [*grid, "--output", str(out), "--workers", str(workers), "--profile", "--quiet"]
        subprocess.run([*RUN, *command], cwd=cwd, check=True, capture_output=True)
        units, seconds = unit_cost(out)
        what = f"a unit beside its work, {workers} worker{'s' if workers > 1 else ''} ({units} units)"
        rows.append((what, f"{1000 * seconds:.1f} ms", "< 20 ms"))
    rows.append(("of which: write and sync a record of 70 frames", f"{1000 * write_cost(cwd):.1f} ms", ""))
    again = [*grid, "--output", str(cwd / "grid1"), "--workers", "1", "--quiet"]
    what = f"resume of a finished run of 76 cells, {VIDEOS} videos ({76 * VIDEOS} units), to its table"
    rows.append((what, f"{timed(again, cwd, repeats):.2f} s", "< 2 s"))
    return rows


def main() -> None:
    """Measure and print, or write with --write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), given.repeats)
    lines = [
        "# What the engine costs",
        "",
        f"`python benchmarks/engine.py`, medians, on {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}. Units are counted on clips of {FRAMES} frames of {SIZE[0]} x {SIZE[1]}, so that "
        "their work is next to nothing; what is beside it (opening the video, its truth, keys, the record, two syncs, "
        "handing out) does not depend on the frames.",
        "",
        "| what | measured | wanted |",
        "|:--|--:|--:|",
        *(f"| {what} | {found} | {wanted} |" for what, found, wanted in rows),
    ]
    text = "\n".join(lines) + "\n"
    if given.write:
        given.write.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
