"""Where does the clean score of a lite model end? J&F of whole videos with parts of the task done for it.

    python benchmarks/ceiling.py --data-root ~/DAVIS [--models aoc.lite-video,cfbi.lite-video] [--videos dog,camel]
        [--dataset davis2016:val] [--workers 2] [--output ceiling.csv]

closed loop: the model as it runs, at the size of docs/lite-study.md. true masks remembered: every frame is predicted,
and then remembered under its true mask, so that no error is carried on; what is still missing is in matching and
decoding one frame. grid: no model; the true mask itself, reduced to the grid on which the models decide (every fourth
pixel of the frame at their size) and enlarged again as they do: what no network of this size can be far above. Videos
with one object alone. The CSV has one row per video; `--show FILE` prints the table of one. One thread per worker.
"""

from __future__ import annotations

import argparse
import csv
import functools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lite_csv import ceiling
from lite_runs import SIZE
from numpy.typing import NDArray
from ours import LiteAdapter, LiteSession, full

from robust_vos_bench.datasets import Truth, Video, open_dataset
from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.scoring.video import VideoScorer

MODELS = ("aoc.lite-video", "cfbi.lite-video", "aot.lite-video")
LOOP, REMEMBERED, GRID = "closed loop", "true masks remembered", "true masks on the grid"


class Told(LiteSession):
    """A session whose memory is told the truth, whatever was predicted."""

    def __init__(self, adapter: LiteAdapter, video: Video, masks: Sequence[NDArray[np.uint8]]) -> None:
        super().__init__(adapter, video)
        self._masks = iter(masks)

    def observe(self, image: Any, prompt: Any, last: bool) -> Any:
        """As the session does, with the next true mask at hand."""
        self._mask = next(self._masks)
        return super().observe(image, prompt, last)

    def _small(self, labels: NDArray[np.uint8]) -> Any:
        return super()._small(self._mask)


def told(adapter: LiteAdapter, video: Video, masks: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Masks of a video that a lite model predicts, each from a memory of true masks."""
    session = Told(adapter, video, masks)
    for t, frame in enumerate(video.frames):
        yield session.step(frame, video.prompts.get(t), t == len(video) - 1)


def on_grid(mask: NDArray[np.uint8], size: int = SIZE) -> NDArray[np.uint8]:
    """The mask of one object, of what is left of it where only every fourth pixel of the smaller frame is known.

    What is known there is the distance to the border, signed: the smoothest thing that logits can be.
    """
    inside = (mask > 0).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    scale = min(1.0, size / min(mask.shape))
    height, width = (max(1, round(side * scale)) for side in mask.shape)
    small = cv2.resize(distance, (width, height), interpolation=cv2.INTER_AREA)
    rows, columns = (-(-(side - 1) // 16) * 16 + 1 - side for side in (height, width))
    grid = np.pad(small, ((0, rows), (0, columns)), mode="edge")[::4, ::4]
    whole = full(torch.from_numpy(grid.copy())[None, None], (height, width))
    whole = torch.nn.functional.interpolate(whole, mask.shape, mode="bilinear", align_corners=False)
    found: NDArray[np.uint8] = (whole[0, 0] > 0).numpy().astype(np.uint8)
    return found


def score(truth: Truth, masks: Sequence[NDArray[np.uint8]]) -> float:
    """J&F in points, to two decimals."""
    scorer = VideoScorer(truth)
    for t, mask in enumerate(masks):
        scorer.add(t, mask)
    (found,) = scorer.result()
    return round(50 * (found.j_mean + found.f_mean), 2)


def one_video(given: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """All rows of a video."""
    torch.set_num_threads(1)
    data = open_dataset(given.dataset, given.data_root, videos=[name])
    truth = data.truth(name)
    if truth is None or any(mask is None for mask in truth.masks) or set(truth.first_frames) != {1}:
        raise DataError(f"{name}: a video with one object and a true mask of every frame is needed")
    masks = [np.asarray(mask > 0, np.uint8) for mask in truth.masks if mask is not None]
    rows: list[dict[str, Any]] = [
        {"video": name, "model": "", "part": GRID, "J&F": score(truth, [on_grid(mask) for mask in masks])}
    ]
    for model in given.models.split(","):
        adapter = load_adapter(model, device="cpu", size=SIZE)
        if not isinstance(adapter, LiteAdapter):
            raise DataError(f"{model}: no lite model")
        with torch.inference_mode():
            rows += [
                {"video": name, "model": model, "part": part, "J&F": score(truth, list(found))}
                for part, found in (
                    (LOOP, adapter.segment(data.video(name))),
                    (REMEMBERED, told(adapter, data.video(name), masks)),
                )
            ]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="davis2016:val")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--models", default=",".join(MODELS), help="lite models with commas [default: %(default)s]")
    parser.add_argument("--videos", help="names with commas [default: all]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, help="CSV with one row per video")
    parser.add_argument("--show", type=Path, help="print the table of such a CSV, run nothing")
    given = parser.parse_args(arguments)
    try:
        if given.show is not None:
            with given.show.open(newline="") as lines:
                rows = list(csv.DictReader(lines))
        else:
            names = given.videos.split(",") if given.videos else open_dataset(given.dataset, given.data_root).videos
            with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
                rows = [row for found in pool.map(functools.partial(one_video, given), names) for row in found]
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    if given.output is not None:
        with given.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    print(ceiling(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
