"""SAM 2's own rule: the given frame, the six frames before, pointers of fifteen; the mask of the best predicted IoU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..stages import Candidates, Features, Reading, Stages


@dataclass(eq=False)
class Entry:
    """What is remembered of one object on one frame."""

    memory: Tensor
    """n x 1 x c."""
    pointer: Tensor
    """1 x C."""
    score: float = 10.0
    """Logit of the object's presence."""
    quality: float = 1.0
    """Predicted IoU of the mask."""
    motion: float | None = None
    """IoU of the mask's box with the one that motion predicts, where it was asked."""
    pixels: int = 1
    """Pixels of the mask at the size of the logits."""


class Plain:
    """One object from the frame that it is given on.

    Frames count from that one, which is 0; `length` is the number of frames of the video, which scales the temporal
    encoding of pointers in short ones. frame: (H, W) of the video.
    """

    def __init__(self, stages: Stages, length: int, frame: tuple[int, int]) -> None:
        self.stages, self.frame = stages, frame
        self.rows = stages.rows
        self.span = min(length, stages.most_pointers)
        self.now = 0
        self.given: dict[int, Entry] = {}
        self.past: dict[int, Entry] = {}

    def begin(self, features: Features, mask: NDArray[np.bool_]) -> Tensor:
        """Start with the given mask H x W; its logits 1 x 4g x 4g."""
        logits, memory, pointer = self.stages.given(features, mask)
        self.given[0] = Entry(memory, pointer)
        return logits

    def step(self, features: Features) -> Tensor:
        """Follow the object to the next frame; its logits 1 x 4g x 4g."""
        self.now += 1
        stages = self.stages
        found = stages.decode(features, stages.attend(features, self.reading()))
        best, motion = self.choose(found)
        logits = found.masks[best : best + 1]
        self.past[self.now] = self.entry(features, found, best, motion)
        self.look_back(features, found, best)
        self.forget()
        return logits

    def entry(self, features: Features, found: Candidates, index: int, motion: float | None = None) -> Entry:
        """What is remembered of this frame where one of the masks is taken."""
        logits = found.masks[index : index + 1]
        return Entry(
            self.stages.remember(features, logits, found.score),
            found.pointers[index : index + 1],
            float(found.score),
            float(found.quality[index]),
            motion,
            int((logits > 0).sum()),
        )

    def reading(self) -> Reading:
        """What this frame reads."""
        recent = range(self.now - self.rows + 1, self.now)
        maps = [*self.always(), *((self.now - t - 1, self.past[t].memory) for t in recent if t in self.past)]
        return Reading(maps, [*self.pointers_of_given(), *self.recent_pointers()], self.span)

    def always(self) -> list[tuple[int, Tensor]]:
        """Maps of the given frames."""
        return [(self.rows - 1, entry.memory) for entry in self.given.values()]

    def pointers_of_given(self) -> list[tuple[int, Tensor]]:
        """Pointers of the given frames."""
        return [(self.now - t, entry.pointer) for t, entry in self.given.items()]

    def recent_pointers(self) -> list[tuple[int, Tensor]]:
        """Pointers of the frames before, newest first."""
        times = (self.now - ago for ago in range(1, self.span))
        return [(self.now - t, self.past[t].pointer) for t in times if t in self.past]

    def choose(self, found: Candidates) -> tuple[int, float | None]:
        """The mask to take, and how well it fits the motion where that is known."""
        return int(torch.argmax(found.quality)), None

    def look_back(self, features: Features, found: Candidates, best: int) -> None:
        """What else is done with this frame."""

    def forget(self) -> None:
        """Drop what can be read no more."""
        kept = self.kept()
        for t in [t for t in self.past if t not in kept]:
            del self.past[t]

    def kept(self) -> set[int]:
        """Frames that a later one may read."""
        return set(range(self.now + 1 - max(self.rows, self.stages.most_pointers), self.now + 1))
