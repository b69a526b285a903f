"""Attacks on the lite models over three small DAVIS clips: the numbers of adversarial.md.

dog, libby and blackswan, every third frame, 8 frames, 256 x 144; searches of 20 steps with the loss `lost`, one start.
--other: Square of 200 queries and a patch of 3 x 50 steps in their place, against one model, on dog and libby.

    python benchmarks/adversarial.py --data-root ~/DAVIS --output attacked [--other] [--workers 2]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from davis_small import DavisSmall

import robust_vos_bench as rvos
from robust_vos_bench.attacks.shown import lines
from robust_vos_bench.datasets.images import write_frame, write_mask

VIDEOS = ("dog", "libby", "blackswan")
THREATS = (
    "linf-prompt-e1", "linf-prompt-e2", "linf-prompt-e4", "linf-rest-e1", "linf-all-e1", "linf-one-e8",
)  # fmt: skip
MODELS = ("aoc.lite", "aot.lite", "cfbi.lite")
OTHER_MODEL, OTHER_VIDEOS, QUERIES, PATCH_STEPS = "aot.lite", ("dog", "libby"), 200, 50


def write_clips(data_root: Path, folder: Path) -> None:
    """The small clips as the data set `folder`."""
    data = DavisSmall(data_root, videos=VIDEOS)
    for name in VIDEOS:
        video, truth = data.video(name), data.truth(name)
        if truth is None:
            raise SystemExit(f"{name}: no annotations")
        for kind in ("JPEGImages", "Annotations"):
            (folder / kind / name).mkdir(parents=True, exist_ok=True)
        for t, (frame, mask) in enumerate(zip(video.frames, truth.masks)):
            if mask is None:
                raise SystemExit(f"{name}, frame {video.frame_names[t]}: not annotated")
            write_frame(folder / "JPEGImages" / name / f"{t:05d}.png", frame)
            write_mask(folder / "Annotations" / name / f"{t:05d}.png", mask)


def main() -> None:
    """Write the clips, attack the models, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--other", action="store_true")
    parser.add_argument("--workers", type=int, default=None)
    given = parser.parse_args()
    clips = given.output / "clips"
    write_clips(given.data_root, clips)
    common = {"dataset": "folder", "data_root": clips, "workers": given.workers, "device": "cpu"}
    if given.other:
        common |= {"model": OTHER_MODEL, "videos": ",".join(OTHER_VIDEOS), "output": given.output / "other"}
        show(preset="adversarial-black", queries=QUERIES, score=False, **common)
        show(preset="adversarial-patch", steps=PATCH_STEPS, **common)
    else:
        common |= {"model": given.models.split(","), "output": given.output / "attacked"}
        show(preset="adversarial-quick", threat=list(THREATS), **common)


def show(**words: Any) -> None:
    """Attack and print the tables."""
    try:
        report = rvos.attack(**words)
    except rvos.IncompleteError as error:  # numbers that are no evaluation are shown with their flags
        print(error)
        report = error.partial
    if report.board is not None:
        print("\n".join(lines(report.board)))


if __name__ == "__main__":
    main()
