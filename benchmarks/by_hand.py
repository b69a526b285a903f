"""A robustness study as a careful researcher writes it today, one script per step. `benchmarks/chain.py` runs it.

    python benchmarks/by_hand.py corrupt DAVIS COPIES fog,contrast 3
    python benchmarks/by_hand.py segment DAVIS COPIES RESULTS stcn clean,fog,contrast
    python benchmarks/by_hand.py davis2017 DAVIS RESULTS stcn clean,fog,contrast --peer davis2017-evaluation
    python benchmarks/by_hand.py vos-benchmark DAVIS RESULTS stcn clean,fog,contrast

Corrupted frames are PNG files, by `imagecorruptions` (imagecorruptions-imaug); masks are palette PNG files. A step is
one process for all conditions and videos, so that libraries, weights and annotations are loaded as seldom as such
scripts can. The network is ours, with the weights that rvos-bench uses: the model itself costs the same in both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from robust_vos_bench.datasets.palette import palette


def videos_of(davis: Path) -> list[str]:
    """The videos of the list."""
    return (davis / "ImageSets" / "2017" / "val.txt").read_text().split()


def corrupt(davis: Path, copies: Path, corruptions: list[str], severity: int) -> None:
    """Write a corrupted copy of every frame, one folder per corruption."""
    from imagecorruptions import corrupt as corrupted

    for name in corruptions:
        for video in videos_of(davis):
            folder = copies / name / video
            folder.mkdir(parents=True)
            for file in sorted((davis / "JPEGImages" / "480p" / video).glob("*.jpg")):
                frame = np.asarray(Image.open(file).convert("RGB"))
                bad = corrupted(frame, corruption_name=name, severity=severity)
                Image.fromarray(bad).save(folder / f"{file.stem}.png")


class Files:
    """The frames of a folder, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[np.ndarray]:
        for file in self.files:
            yield np.array(Image.open(file).convert("RGB"))


def segment(davis: Path, copies: Path, results: Path, model: str, conditions: list[str]) -> None:
    """Run a model over every copy and write its masks."""
    from timed_model import Timed

    from robust_vos_bench.datasets import Video

    adapter = Timed(of=model)
    for condition in conditions:
        for video in videos_of(davis):
            source = davis / "JPEGImages" / "480p" if condition == "clean" else copies / condition
            first = np.array(Image.open(davis / "Annotations" / "480p" / video / "00000.png"))
            frames = Files(source / video)
            folder = results / model / condition / video
            folder.mkdir(parents=True)
            clip = Video(video, first.shape, frames, {0: first})
            for file, mask in zip(frames.files, adapter.segment(clip), strict=True):
                image = Image.fromarray(mask)
                image.putpalette(palette())
                image.save(folder / f"{file.stem}.png")


def score_davis2017(davis: Path, results: Path, model: str, conditions: list[str]) -> dict[str, float]:
    """J&F of every condition by davis2017-evaluation, 0..1."""
    from davis2017.evaluation import DAVISEvaluation

    found = {}
    evaluation = DAVISEvaluation(str(davis), "semi-supervised", "val")
    for condition in conditions:
        scores = evaluation.evaluate(str(results / model / condition))
        found[condition] = float(np.mean(scores["J"]["M"]) + np.mean(scores["F"]["M"])) / 2
    return found


def score_vos_benchmark(davis: Path, results: Path, model: str, conditions: list[str]) -> dict[str, float]:
    """J&F of every condition by vos-benchmark, 0..1."""
    from vos_benchmark.benchmark import VideoEvaluator

    found = {}
    for condition in conditions:
        evaluate = VideoEvaluator(str(davis / "Annotations" / "480p"), str(results / model / condition))
        scores = [evaluate(video) for video in videos_of(davis)]
        j = [value for _, iou, _ in scores for value in iou.values()]
        f = [value for _, _, boundary in scores for value in boundary.values()]
        found[condition] = float(np.mean(j) + np.mean(f)) / 200
    return found


def main() -> None:
    """One step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["corrupt", "segment", "davis2017", "vos-benchmark"])
    parser.add_argument("davis", type=Path)
    parser.add_argument("words", nargs="+")
    parser.add_argument("--peer", help="clone of davis2017-evaluation")
    parser.add_argument("--output", type=Path, help="JSON file for the scores; default: printed")
    given = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)
    davis, words = given.davis, given.words
    if given.peer:
        sys.path.insert(0, given.peer)
    if given.step == "corrupt":
        corrupt(davis, Path(words[0]), words[1].split(","), int(words[2]))
    elif given.step == "segment":
        import torch

        torch.set_num_threads(1)
        segment(davis, Path(words[0]), Path(words[1]), words[2], words[3].split(","))
    else:
        score = score_davis2017 if given.step == "davis2017" else score_vos_benchmark
        text = json.dumps(score(davis, Path(words[0]), words[1], words[2].split(",")))
        if given.output:
            given.output.write_text(text)
        else:
            print(text)


if __name__ == "__main__":
    main()
