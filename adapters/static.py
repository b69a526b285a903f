"""The floor of the benchmark: every object stays where its prompt put it."""

from __future__ import annotations

import numpy as np

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.adapter import StreamingAdapter
from robust_vos_bench.models.card import ModelCard, ModelEntry

CARD = ModelCard(
    "static",
    title="Static prompt",
    license="MIT (part of rvos-bench)",
    notes="Repeats the prompts and never looks at a frame: no corruption of the frames changes its score.",
)


class Static(StreamingAdapter):
    """Repeats the prompt on every frame; a later object covers earlier ones."""

    card = CARD

    def reset(self, video: Video) -> None:
        """Start from an empty mask."""
        self._mask = np.zeros(video.size, np.uint8)

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """The prompts so far, uint8 H x W."""
        if prompt is not None:
            self._mask = np.where(prompt > 0, prompt, self._mask)
        return self._mask.copy()


MODELS = [ModelEntry(CARD, "robust_vos_bench.adapters.static:Static")]
