"""Reference frames: which frames are remembered, and with which pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from ..cfbi_line.labels import one_hot, sample
from ..cfbi_line.means import MaskedMeans
from ..cfbi_line.pool import ReferencePool

UNCERTAIN = 125
"""The label of a pixel that is remembered as no object; networks cannot tell it from an object of that number."""

MAX_ENTROPY = 1.0
"""Nats above which a prediction is uncertain; two slots cannot reach it (ln 2 is less)."""


def uncertain(probabilities: Tensor) -> Tensor:
    """Pixels whose entropy exceeds `MAX_ENTROPY`: slots x H x W -> bool H x W."""
    return entropy(probabilities) > MAX_ENTROPY


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy over the slots in nats, slots x H x W -> H x W."""
    return -(probabilities * torch.log(probabilities + 1e-6)).sum(0)


class Reference:
    """The remembered frames of one video.

    corrected: leave uncertain pixels out of an object's surroundings too. The official code takes them out of every
    object, but lets them count as background of each. limit: frames kept at most, or None (the official rule);
    annotated frames always stay, of the others the oldest goes.
    """

    def __init__(self, corrected: bool = False, limit: int | None = None) -> None:
        self.corrected = corrected
        self.limit = limit
        self.frames = 0
        self.pool, self.means = ReferencePool(), MaskedMeans()
        self._kept: list[tuple[Tensor, Tensor, bool]] = []

    def add(self, embedding: Tensor, labels: Tensor, slots: int, annotated: bool = True) -> None:
        """Remember a frame: embedding C x h x w, labels H x W (slots, or `UNCERTAIN`) at any resolution."""
        small = sample(labels, (embedding.shape[-2], embedding.shape[-1]))
        if self.limit is not None:
            self._kept.append((embedding, small, annotated))
            oldest = next((i for i, frame in enumerate(self._kept) if not frame[2]), None)
            if len(self._kept) > self.limit and oldest is not None:
                del self._kept[oldest]
                self.frames = 0
                self.pool, self.means = ReferencePool(), MaskedMeans()
                for kept, kept_labels, _ in self._kept:
                    self._join(kept, kept_labels, slots)
                return
        self._join(embedding, small, slots)

    def _join(self, embedding: Tensor, labels: Tensor, slots: int) -> None:
        masks = one_hot(labels, slots)
        self.pool.add(embedding, masks)
        if self.corrected:
            known = (labels != UNCERTAIN).flatten()
            embedding, masks = embedding.flatten(1)[:, None, known], masks.flatten(1)[:, None, known]
        self.means.add(embedding, masks)
        self.frames += 1
