"""Memory of frames on which the object was seen well: SAM 3's rule, and the base of two others.

From facebookresearch/sam3, sam3/model/sam3_tracker_base.py (`use_memory_selection`, as the video model sets it).
"""

from __future__ import annotations

import math

from torch import Tensor

from ..stages import Reading
from .plain import Entry, Plain


class Selected(Plain):
    """Reads the newest frames whose presence times predicted IoU exceeds 0.01, and always the frame before.

    Pointers of them are encoded by rank, not by time.
    """

    def good(self, entry: Entry) -> bool:
        """Whether a frame is worth reading later."""
        presence = 2 / (1 + math.exp(-entry.score)) - 1 if entry.score > 0 else 0.0
        return presence * entry.quality > 0.01

    def chosen(self) -> list[int]:
        """Frames to read, oldest first: as many good ones as there may be pointers, and the one before."""
        good = [t for t in sorted(self.past) if self.good(self.past[t])][-(self.span - 1) :]
        before = self.now - 1
        return good if before in good or before not in self.past else [*good, before]

    def reading(self) -> Reading:
        """What this frame reads."""
        frames = self.chosen()
        pointers = self.ranked(frames)
        return Reading([*self.always(), *self.newest(frames)], [*self.pointers_of_given(), *pointers], self.span)

    def newest(self, frames: list[int]) -> list[tuple[int, Tensor]]:
        """Maps of the newest of these frames, oldest first; rows of the temporal encoding by rank."""
        newest = frames[-(self.rows - 1) :]
        return [(len(newest) - 1 - i, self.past[t].memory) for i, t in enumerate(newest)]

    def ranked(self, frames: list[int]) -> list[tuple[int, Tensor]]:
        """Pointers of these frames, newest first, without the oldest, as the authors' loop ends before it."""
        newest = frames[:0:-1][: self.span - 1]
        return [(rank, self.past[t].pointer) for rank, t in enumerate(newest, start=1)]

    def kept(self) -> set[int]:
        """The newest good frames, and this one."""
        good = [t for t in sorted(self.past) if self.good(self.past[t])]
        return {*good[-(self.stages.most_pointers - 1) :], self.now}
