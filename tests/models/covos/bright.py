"""A model that finds bright red pixels: a base model whose masks are right on every frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.models import ModelCard, VOSAdapter

SEEN: list[Any] = []
"""(frame names, prompts) of the videos that were segmented in this process."""


class Bright(VOSAdapter):
    """level: red above which a pixel belongs to the first object."""

    card = ModelCard("bright", version="3", license="none")

    def __init__(self, checkpoint: Any = None, device: str = "cpu", *, level: int = 150) -> None:
        super().__init__(checkpoint, device)
        self.level = level

    def segment(self, video: Video) -> Iterator[Mask]:
        SEEN.append((video.frame_names, dict(video.prompts)))
        self.diagnostics = ["looked for red"]
        for frame in video.frames:
            yield ((frame[..., 0] > self.level) * np.uint8(video.object_ids[0])).astype(np.uint8)
