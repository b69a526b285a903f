"""Official scores of attacked frames: of a whole track, and of the frames of a window while a search goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from robust_vos_bench.attacks.lattice import Frames
from robust_vos_bench.datasets.video import Mask, Truth, Video
from robust_vos_bench.errors import DataError
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.contract import segment_checked
from robust_vos_bench.scoring import ObjectScore, PackedTruth, VideoScorer
from robust_vos_bench.scoring.measures import boundary_f, jaccard


class Judge:
    """Scores frames of one video against its truth, by the protocol of its data set. Scores are points (0..100).

    Raises DataError where nothing of the video is scored: of a video of one or two frames, say.
    """

    def __init__(self, video: Video, truth: Truth, protocol: str) -> None:
        self.video = video
        self.packed = PackedTruth(truth, protocol)
        first = video.first_prompt
        self.frames = tuple(t for t in self.packed.frames if t > first)
        """Frames whose masks count for somebody."""
        if not self.frames:
            raise DataError(
                f"video {video.name!r}: none of its {len(video)} frames is scored, so there is nothing to attack; "
                "leave it out with --videos"
            )

    def truth(self, t: int) -> Mask | None:
        """The true mask of frame t, None where it is not annotated."""
        return self.packed.truth.masks[t]

    def track(self, masks: Sequence[Mask]) -> float:
        """J&F of the masks of all frames: the mean over objects, as a table has it for one video."""
        return mean_jf(self.objects(masks), self.video.name)

    def objects(self, masks: Sequence[Mask]) -> list[ObjectScore]:
        """Scores of every object, of the masks of all frames."""
        scorer = VideoScorer(self.packed)
        for t, mask in enumerate(masks):
            scorer.add(t, mask)
        return scorer.result()

    def some(self, masks: Mapping[int, Mask]) -> float:
        """J&F of some scored frames: the mean over objects of the mean over those of their frames."""
        scorer = VideoScorer(self.packed)
        for t, mask in masks.items():
            scorer.add(t, mask)
        place = {t: n for n, t in enumerate(self.packed.frames)}
        counts, found = scorer.counts(), []
        for k, i in enumerate(self.packed.objects):
            first = self.packed.truth.first_frames.get(i, 0)
            rows = [place[t] for t in masks if t > first]
            if rows:
                chosen = counts[rows, k]
                found.append(float((jaccard(chosen).mean() + boundary_f(chosen).mean()) / 2))
        return 100 * sum(found) / len(found) if found else math.nan


def mean_jf(objects: Sequence[ObjectScore], video: str) -> float:
    """Mean J&F in points of the objects that are scored at all."""
    known = [(o.j_mean + o.f_mean) / 2 for o in objects if not math.isnan(o.j_mean)]
    if not known:
        raise DataError(f"video {video!r}: no object of it is scored in any frame, so there is nothing to attack")
    return 100 * float(np.mean(known))


def masks_of(adapter: VOSAdapter, video: Video, frames: Frames) -> list[Mask]:
    """What the model yields for the frames, by `segment`: that is what is reported."""
    return [mask.copy() for mask in segment_checked(adapter, video.with_frames(list(frames)))]


def difference(one: Sequence[Mask], other: Sequence[Mask]) -> float:
    """Share of the pixels of all frames that differ."""
    return float(np.mean([np.mean(a != b) for a, b in zip(one, other)]))
