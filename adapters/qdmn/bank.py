"""QDMN's memory: when it is full, the frame of the lowest score and greatest age makes room."""

from __future__ import annotations

import math

from torch import Tensor

from ..memory.bank import FrameBank

CAPACITY = 21
"""Frames remembered beside the first one, as the official DAVIS loop holds (its limit of 20 is checked late)."""


class QualityBank(FrameBank):
    """A `FrameBank` that forgets.

    A kept frame is worth its relative score plus exp(-age), its age counted in kept frames. The official code looks
    up the least worth in a list without the first frame and removes that position from one with it, so that it is
    the frame before the intended one that goes, the given one included; scores were published so, and it is kept.
    """

    def __init__(self, top_k: int | None, max_frames: int | None = None) -> None:
        super().__init__("dot", top_k)
        self.capacity = CAPACITY if max_frames is None else min(CAPACITY, max_frames)
        self._positions: list[int] = []
        self._kept: list[tuple[int, float]] = []
        self._index = 0

    def refer(self, key: Tensor, value: Tensor) -> None:
        """Remember a frame with a given mask."""
        self._positions.append(self.frames)
        self.add(key, value, temporary=False, reference=True)

    def keep(self, key: Tensor, value: Tensor, score: float) -> None:
        """Remember a predicted frame of this relative score."""
        self._index += 1
        if len(self._kept) < self.capacity:
            self._positions.append(self.frames)
            self.add(key, value, temporary=False)
        else:
            worth = [math.exp(index - self._index) + score for index, score in self._kept]
            least = worth.index(min(worth))
            del self._kept[least]
            position = self._positions.pop(least)
            self._positions.append(position)
            self.add(key, value, temporary=False, instead=position)
        self._kept.append((self._index, score))
