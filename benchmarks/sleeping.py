"""A model that costs what a GPU of a given speed costs the machine that drives it: time, and no processor."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from robust_vos_bench import ModelCard, VOSAdapter
from robust_vos_bench.datasets import Mask, Video


class Sleeping(VOSAdapter):
    """Repeats the prompt, `fps` frames per second at most: it waits from the moment it is given a frame."""

    card = ModelCard("sleeping")

    def __init__(self, checkpoint: str | None = None, device: str = "cpu", fps: float = 20.0) -> None:
        super().__init__(checkpoint, device)
        self.fps = fps

    def segment(self, video: Video) -> Iterator[Mask]:
        """One mask per frame."""
        mask = np.zeros(video.size, np.uint8)
        for t, _ in enumerate(video.frames):
            prompt = video.prompts.get(t)
            if prompt is not None:
                mask = np.where(prompt > 0, prompt, mask)
            time.sleep(1 / self.fps)
            yield mask.copy()
