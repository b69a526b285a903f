"""Scoring a folder of masks: <predictions>/<video>/<frame>.png against the annotations of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.soft import was_thresholded
from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring import compiled
from robust_vos_bench.scoring.backends import LOADING, choose_backend, load_kernels, loaded
from robust_vos_bench.scoring.objects import ObjectScore
from robust_vos_bench.scoring.png import read_index
from robust_vos_bench.scoring.protocols import Protocol, make_protocol
from robust_vos_bench.scoring.truth import PackedTruth
from robust_vos_bench.scoring.video import VideoScorer

Progress = Callable[[str], None]
"""Called with the name of each finished video."""
FrameProgress = Callable[[str, int, int], None]
"""Called after each frame, from any thread: video, how many of its frames are scored, and of how many."""


class FolderScorer:
    """Scores folders of masks against one data set; the packed truth is kept between folders.

    dataset: gives the truth and the rule that maps stored values to object ids; its frames are not needed. protocol:
    that of the data set unless another is given. budget: bytes of packed truth to keep for the whole data set; 0 keeps
    a video's truth only while that video is scored.
    """

    def __init__(
        self,
        dataset: Dataset,
        protocol: str | Protocol | None = None,
        backend: str = "auto",
        budget: int = 0,
    ) -> None:
        self.dataset = dataset
        self.protocol = make_protocol(protocol or dataset.protocol)
        self._backend = backend
        self._budget = budget
        self._kept: dict[str, PackedTruth] = {}
        # The first video's truth chooses the back end; it is kept here so that it is not opened again for scoring.
        self._opened: dict[str, PackedTruth] = {}
        self.used = ""
        """The back end of the last folder: "numpy" or "numba"."""
        self.notes: list[str] = []
        """What people should know of the last scores: videos without truth, masks that were thresholded."""
        self._soft: dict[str, None] = {}
        lookup = dataset.map_mask(np.arange(256, dtype=np.uint8)[None])[0].astype(np.uint8)
        self._lookup: NDArray[np.uint8] | None = None if (lookup == np.arange(256)).all() else lookup

    def score(
        self,
        predictions: Path,
        workers: int = 1,
        progress: Progress | None = None,
        tell: Callable[[str], None] | None = None,
        on_frame: FrameProgress | None = None,
    ) -> list[ObjectScore]:
        """Scores of every object in the order of the split. Raises DataError at the first thing that is wrong.

        Videos whose truth is not published are left out and named in `notes`; where that holds for all, it is an error.
        `workers` videos are scored at once, by threads: the compiled kernels and zlib run outside Python's lock.
        tell: is told, once, that kernels are being compiled.
        """
        videos = self._with_truth(list(self.dataset.videos))
        check_folders(predictions, videos, self.dataset)
        backend = self.used = self._choose(videos, tell)
        work = partial(self.score_video, predictions, backend=backend, on_frame=on_frame)
        scores: dict[str, list[ObjectScore]] = {}
        for name, result in _map(work, videos, workers):
            scores[name] = result
            if progress is not None:
                progress(name)
        if self._soft:
            first = min(self._soft)
            self.notes.append(f"{first}: soft edges, as in {len(self._soft)} masks; values above 127 are the object")
        return [score for name in videos for score in scores[name]]

    def score_video(
        self, predictions: Path, name: str, backend: str = "auto", on_frame: FrameProgress | None = None
    ) -> list[ObjectScore]:
        """Scores of the objects of one video. Raises DataError, naming the file, for anything missing or wrong."""
        truth = self.truth(name)
        scorer = VideoScorer(truth, backend=backend)
        folder = prediction_folder(predictions, name, self.dataset)
        names = truth.truth.frame_names
        try:
            for count, t in enumerate(truth.frames, 1):
                self._add(scorer, t, folder / f"{names[t]}.png")
                if on_frame is not None:
                    on_frame(name, count, len(truth.frames))
        except DataError as error:
            absent = [p for t in truth.frames if not (p := folder / f"{names[t]}.png").exists()]
            if not absent:
                raise
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise DataError(
                f"{absent[0]}: no such mask{more}; video {name!r} needs one for each of its {len(truth.frames)} scored "
                "frames"
            ) from error
        return scorer.result()

    def _add(self, scorer: VideoScorer, t: int, path: Path) -> None:
        if self.dataset.maps_by_value:
            scorer.add_file(t, str(path), self._lookup)
        else:
            stored = read_index(path, scorer.truth.truth.size)
            if was_thresholded(stored):
                self._soft[str(path)] = None
            scorer.add(t, self.dataset.map_mask(stored))

    def _with_truth(self, videos: list[str]) -> list[str]:
        """The videos whose truth is published; the others are noted. Raises DataError where there are none."""
        self.notes = []
        self._soft = {}
        hidden: list[str] = []
        if self.dataset.protocol != "davis":  # those splits have a truth for all videos or for none
            hidden = [name for name in videos if name not in self._kept and self.dataset.truth(name) is None]
        if hidden and len(hidden) < len(videos):
            self.notes.append(
                f"{self.dataset.name} does not publish the truth of {len(hidden)} of {len(videos)} videos, which are "
                f"in no mean: {', '.join(hidden[:5])}{', ...' if len(hidden) > 5 else ''}"
            )
            return [name for name in videos if name not in hidden]
        return videos

    def truth(self, name: str) -> PackedTruth:
        """The packed truth of one video. Raises DataError where the data set does not publish it."""
        if name in self._kept:
            return self._kept[name]
        if (opened := self._opened.pop(name, None)) is not None:
            return opened
        truth = self.dataset.truth(name)
        if truth is None:
            raise DataError(
                f"{self.dataset.name} does not publish the truth of video {name!r}: it cannot be scored here"
            )
        if not self._budget:
            return PackedTruth(truth, self.protocol, budget=0)
        packed = PackedTruth(truth, self.protocol, self._budget // len(self.dataset.videos))
        self._kept[name] = packed
        return packed

    def _choose(self, videos: list[str], tell: Callable[[str], None] | None) -> str:
        """The back end for this data set, chosen by the number of videos and the size of the first."""
        truth = self.truth(videos[0])
        if not self._budget:
            self._opened[videos[0]] = truth
        backend = choose_backend(self._backend, len(videos) * len(truth.frames), truth.truth.size, again=True)
        if backend == "numba":
            if tell is not None and not loaded() and not compiled.ready():
                tell("Compiling the scoring kernels: about ten seconds, once per machine.")
            load_kernels()
        return backend


def slow_hint(scorer: FolderScorer, objects: list[ObjectScore]) -> str:
    """One line of advice after a large job on a machine that cannot keep compiled kernels; else ""."""
    if scorer.used != "numpy" or compiled.storable() or sum(score.frames for score in objects) < LOADING:
        return ""
    return (
        f"Scored with numpy: compiled kernels, over 10x as fast, cannot be stored in {compiled.folder()}. "
        "RVOS_BENCH_CACHE names another folder for them."
    )


def prediction_folder(predictions: Path, name: str, dataset: Dataset) -> Path:
    """The folder with the predicted masks of a video: the first that is there, else the usual one."""
    places = [predictions / folder for folder in dataset.prediction_folders(name)]
    return next((place for place in places if place.is_dir()), places[-1])


def check_folders(predictions: Path, videos: list[str], dataset: Dataset) -> None:
    """Raise DataError, naming the folder, where predictions are no folder or lack a video."""
    if not predictions.is_dir():
        what = "is a file" if predictions.exists() else "does not exist"
        raise DataError(f"{predictions}: {what}; expected a folder of masks, <video>/<frame>.png")
    absent = [name for name in videos if not prediction_folder(predictions, name, dataset).is_dir()]
    if absent:
        more = f" (nor those of {len(absent) - 1} more)" if len(absent) > 1 else ""
        place = prediction_folder(predictions, absent[0], dataset)
        raise DataError(f"{place}: no such folder; the masks of video {absent[0]!r} belong there{more}")


def _map(
    work: Callable[[str], list[ObjectScore]], videos: list[str], workers: int
) -> Iterator[tuple[str, list[ObjectScore]]]:
    """Results as they come; the first error ends the work and drops videos that have not begun."""
    if workers <= 1 or len(videos) <= 1:
        for name in videos:
            yield name, work(name)
        return
    with ThreadPoolExecutor(min(workers, len(videos))) as pool:
        jobs = {pool.submit(work, name): name for name in videos}
        try:
            pending = set(jobs)
            while pending:
                done, pending = wait(pending, return_when=FIRST_EXCEPTION, timeout=0.5)
                # In the order of the split, so that of several errors the same one is always reported.
                for job in sorted(done, key=lambda job: videos.index(jobs[job])):
                    yield jobs[job], job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
