"""A model whose worst change is known: it looks at one number, the mean of the prompted frame."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from robust_vos_bench import ModelCard, VOSAdapter
from robust_vos_bench.datasets import Mask, Video

SLOPE = 60.0
"""Rows lost for each unit (of white) by which the mean lies below the middle."""


class Linear(VOSAdapter):
    """Shows the given mask without its lowest rows: the darker the prompted frame, the fewer.

    The score falls with the mean of the frame, a linear function, so that of all changes of one L2 norm the worst is to
    darken every value alike.
    """

    card = ModelCard("linear")

    def segment(self, video: Video) -> Iterator[Mask]:
        first = None
        for frame in video.frames:
            if first is None:
                prompt = video.prompts[0]
                rows = np.flatnonzero(prompt.any(1))
                lost = round(float(np.clip(SLOPE * (0.5 - frame.mean() / 255.0) * len(rows), 0, len(rows))))
                first = prompt.copy()
                first[rows[len(rows) - lost :]] = 0
            yield first


class Slow(Linear):
    """Takes its time, so that it can be killed."""

    card = ModelCard("slow")

    def segment(self, video: Video) -> Iterator[Mask]:
        for mask in super().segment(video):
            time.sleep(0.02)
            yield mask


class Broken(Linear):
    """Fails where there is much noise."""

    card = ModelCard("broken")

    def segment(self, video: Video) -> Iterator[Mask]:
        frames = list(video.frames)
        if frames[0][0, 0, 0] > 160:
            raise ValueError("too bright")
        yield from super().segment(video)
