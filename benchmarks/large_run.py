"""A results folder of a million units: opened, resumed, tabulated and reported. Prints a Markdown table.

    python benchmarks/large_run.py [--models 27] [--videos 500] [--scored 20] [--folder DIR] [--write]

The records are made up, but lie as a run would have written them: every unit of a grid of models x 76 conditions
(preset common) x videos has its record under its real key, with one to three objects, and the J and F of its frames.
The data set is real and tiny, so that `rvos-bench run` can resume. Every command is a fresh process.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cost import Cost, measured
from PIL import Image

HERE = Path(__file__).resolve().parent
SIZE = (24, 32)
COMMANDS = {
    "resume: `run`, nothing left to do": ["run", "--quiet"],
    "resume: `run`, the last record lost": ["run", "--quiet"],
    "`--dry-run`": ["run", "--dry-run", "--no-probe"],
    "`leaderboard`": ["leaderboard"],
    "`report --table`": ["report", "--table"],
    "`report`": ["report", "--strips", "0"],
    "Python: `load_run`, every score in a frame": [],
}
SCORES = "import sys, robust_vos_bench as rvos; run = rvos.load_run(sys.argv[1]); print(len(run.scores), run.table())"


def write_clips(root: Path, videos: int, frames: int) -> None:
    """A folder data set of tiny clips; all frames and all masks of a kind are links to one file."""
    for kind, value in (("JPEGImages", 90), ("Annotations", 1)):
        (root / kind).mkdir(parents=True)
        first = root / kind / "one.png"
        image = np.zeros(SIZE, np.uint8)
        image[4:16, 5:20] = value
        picture = Image.fromarray(image if kind == "Annotations" else np.stack([image] * 3, axis=2))
        picture.save(first)
        for video in range(videos):
            folder = root / kind / f"v{video:04}"
            folder.mkdir()
            for t in range(frames):
                os.link(first, folder / f"{t:05}.png")
        first.unlink()


def words(models: int, data: Path, out: Path) -> list[str]:
    """What the command line takes for the run."""
    names = ",".join(f"m{i:02}=static" for i in range(models))
    return ["--model", names, "--preset", "common", "--dataset", "folder", "--data-root", str(data)] + [
        "--workers", "1", "--output", str(out),
    ]  # fmt: skip


def fill(models: int, data: Path, out: Path, scored: int) -> int:
    """Write the records of the whole grid; returns the number of units."""
    import msgspec

    from robust_vos_bench.api.prepare import prepare
    from robust_vos_bench.api.settings import RunSettings
    from robust_vos_bench.runs.records import FrameScores, ObjectRecord, UnitRecord
    from robust_vos_bench.runs.store import RunStore

    plan = prepare(
        RunSettings(
            models=tuple(f"m{i:02}=static" for i in range(models)),
            preset="common",
            dataset="folder",
            data_root=data,
            output=out,
            workers=1,
        )
    ).plan
    store = RunStore(out)
    rng = np.random.default_rng(0)
    encoder = msgspec.json.Encoder()

    def objects(count: int) -> Iterator[ObjectRecord]:
        values = rng.random((count, 6))
        for i, row in enumerate(values.tolist(), 1):
            yield ObjectRecord(i, scored, *row)

    for model, spec in enumerate(plan.models):
        for condition in plan.conditions:
            place = (condition.label, spec.record.name)
            records, tracks = [], []
            jf = rng.random((2, len(plan.videos) * 3, scored)).round(4).tolist()
            for v, video in enumerate(plan.videos):
                count = 1 + v % 3
                key = plan.key(model, condition, video)
                unit = UnitRecord(
                    key, spec.record.name, condition.label, video, "ok", tuple(objects(count)), scored + 2,
                    1.2345, 0.2345, 0.0123, 512.5, invocation="0123456789ab",
                )  # fmt: skip
                records.append(encoder.encode(unit))
                tracks += [
                    encoder.encode(FrameScores(video, i + 1, 1, tuple(jf[0][3 * v + i]), tuple(jf[1][3 * v + i])))
                    for i in range(count)
                ]
            for path, lines in ((store.cell_path(*place), records), (store.frames_path(*place), tracks)):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"\n".join(lines) + b"\n")
    return len(plan.models) * len(plan.conditions) * len(plan.videos)


def lose_last(out: Path) -> None:
    """Cut the last line of one cell file in half, as a power cut may."""
    path = sorted((out / "cells").glob("*/*.jsonl"))[-1]
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"\n", 0, -1) + 20])


def measure(folder: Path, models: int, videos: int, scored: int, only: str) -> tuple[int, dict[str, Cost]]:
    """Units, and the cost of every command."""
    data, out = folder / "clips", folder / "run"
    frames = scored + 2
    run = [sys.executable, "-m", "robust_vos_bench.cli"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "RVOS_BENCH_REUSE": "0"}
    if not data.exists():
        write_clips(data, videos, frames)
        fill(models, data, out, scored)
        print(measured([*run, "run", *words(models, data, out), "--quiet"], folder, env), file=sys.stderr)
    found = {}
    for name, command in COMMANDS.items():
        if not any(part in name for part in only.split(",")):
            continue
        if "lost" in name:
            lose_last(out)
        if not command:
            line = [sys.executable, "-c", SCORES, str(out)]
        elif command[0] == "run":
            line = [*run, "run", *words(models, data, out), *command[1:]]
        else:
            line = [*run, command[0], str(out), *command[1:]]
        found[name] = measured(line, folder, env)
        print(name, found[name], file=sys.stderr, flush=True)
    return models * 76 * videos, found


def main() -> None:
    """Measure and print; with --write into large_run.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=27)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--scored", type=int, default=20, help="scored frames of every video")
    parser.add_argument("--folder", type=Path, help="where the run is made, and kept; one that is there is used")
    parser.add_argument("--only", default="", help="only commands whose name contains one of these, by comma")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        units, found = measure(folder.resolve(), given.models, given.videos, given.scored, given.only)
    call = f"python benchmarks/large_run.py --models {given.models} --videos {given.videos} --scored {given.scored}"
    call += f" --only {given.only}" if given.only else ""
    lines = [
        f"# A results folder of {units:,} units",
        "",
        f"`{call}`: {given.models} models, 76 conditions, {given.videos} videos of one to three objects and "
        f"{given.scored} scored frames. Whole processes, start and imports included; "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, load average "
        f"{os.getloadavg()[0]:.1f} at the end.",
        "",
        "| command | wall s | CPU s | peak MiB |",
        "|:--|--:|--:|--:|",
        *(f"| {name} | {c.wall:.1f} | {c.cpu:.1f} | {c.peak_mib:.0f} |" for name, c in found.items()),
    ]
    lines += [
        "",
        "With the last record lost, one unit is computed and `scores.csv` (a line per object) is written anew. The "
        "frame in Python holds every score at once. A report of so many scores names `scores.csv` instead of holding "
        "a copy.",
    ]
    text = "\n".join(lines) + "\n"
    if given.write:
        (HERE / "large_run.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
