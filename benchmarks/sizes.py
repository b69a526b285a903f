"""At how many rows should the lite models see a frame? J&F of clean videos by `--option size=N`.

    python benchmarks/sizes.py --data-root ~/DAVIS --runs runs/sizes --output benchmarks/sizes.csv
        [--models aoc.lite-video,aot.lite-video] [--sizes 352,400] [--videos dog,camel] [--workers 2]

A run per model and size, which goes on where it was stopped. The CSV has one row per video, with the beginning of the
sha256 of the weights. Those at 304 rows are in the leaderboards: docs/lite-study.md is of that size.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lite_runs import DEFAULT_SIZE, NETWORKS

import robust_vos_bench as rvos
from robust_vos_bench.errors import RvosError

COLUMNS = ("model", "weights", "size", "video", "J&F")


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """J&F in points, mean over the objects of a video."""
    for model in given.models.split(","):
        for size in given.sizes.split(","):
            run = rvos.run(
                model=model,
                option=[f"size={size}"],
                dataset=given.dataset,
                data_root=given.data_root,
                corruption="clean",
                videos=given.videos and given.videos.split(","),
                workers=given.workers,
                output=given.runs / f"{model}-{size}",
            )
            for video, value in run.scores.groupby("video", sort=False)["J&F"].mean().items():
                yield {
                    "model": model,
                    "weights": run.manifest.models[0].weights_sha256[:16],
                    "size": size,
                    "video": video,
                    "J&F": round(100 * value, 4),
                }


def kept(path: Path, made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a CSV of this script says of other models, sizes and videos than those made now."""
    if not path.is_file():
        return []
    new = {(row["model"], row["size"], row["video"]) for row in made}
    with path.open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if (row["model"], row["size"], row["video"]) not in new]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write the rows; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, help="folder of the data set")
    parser.add_argument("--dataset", default="davis2016:val")
    parser.add_argument("--models", default=",".join((*NETWORKS, "labelprop")), help="[default: %(default)s]")
    parser.add_argument("--sizes", default=str(DEFAULT_SIZE), help="with commas [default: %(default)s]")
    parser.add_argument("--videos", help="names with commas [default: all]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/sizes"), help="folder of runs [default: %(default)s]")
    parser.add_argument("--output", type=Path, help="CSV, written when all is done; keeps its other rows")
    given = parser.parse_args(arguments)
    try:
        made = list(rows(given))
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for row in made:
        print("  ".join(str(row[name]) for name in COLUMNS))
    if given.output is not None:
        rest = kept(given.output, made)
        with given.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows([*rest, *made])
    return 0


if __name__ == "__main__":
    sys.exit(main())
