"""DAM4SAM (Videnovic et al., CVPR 2025, arXiv:2411.17576): distractor-aware memory. Our reading of the paper.

Two memories take the place of SAM 2's: recent frames on which the object was seen, every fifth of them and the one
before; and anchors, frames on which the network was sure of the object while one of its other masks showed something
else. Numbers as in the authors' tracker (jovanavidenovic/DAM4SAM).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..stages import Candidates, Features, Reading
from .motion import box_of
from .plain import Entry, Plain

EVERY = 5
"""Frames between two of the recent memory."""
ANCHORS = 4
"""Anchors that are read, the given frame among them."""
SURE_QUALITY = 0.8
STEADY = (0.8, 1.2)
"""Bounds of the object's size over the median of its last ten."""
APART = 5
"""Frames after an anchor before the next."""
DISTRACTED = 0.7
"""Overlap of boxes, of the mask alone and with another candidate's part, up to which that part is a distractor."""


class Dam4Sam(Plain):
    """Anchors are in `given`, beside the given frame."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.sizes: list[int] = []
        self.last_anchor: int | None = None

    def anchors(self) -> list[int]:
        """Given frame and anchors to read: the newest, never the frame before, which is read as a recent one."""
        older = [t for t in self.given if 0 < t < self.now - 1]
        return [0, *sorted(older, reverse=True)[: ANCHORS - 1]]

    def recent(self, anchors: list[int]) -> list[int]:
        """Frames of the recent memory, newest first: the one before, then every fifth, each only where seen."""
        found: list[int] = []
        t, step = self.now - 1, 1
        for _ in range(self.rows - len(anchors)):
            if found:
                t, step = (t - 1) // EVERY * EVERY, EVERY
            while t > 0 and not self._seen(t, anchors):
                t -= step
            if t <= 0:
                break
            found.append(t)
        return found

    def _seen(self, t: int, anchors: list[int]) -> bool:
        entry = self.past.get(t)
        if t == self.now - 1 and t in self.given:
            entry = self.given[t]
        return entry is not None and entry.pixels > 0 and t not in anchors

    def reading(self) -> Reading:
        """What this frame reads."""
        anchors = self.anchors()
        recent = self.recent(anchors)
        everything = {**self.given, **self.past}
        maps = [(self.rows - 1, self.given[t].memory) for t in anchors]
        maps += [(row, everything[t].memory) for row, t in reversed(list(enumerate(recent)))]
        # The tracker is told of the frames so far alone.
        span = min(self.now + 1, self.stages.most_pointers)
        pointers = [(self.now - t, self.given[t].pointer) for t in anchors]
        for ago in range(1, span):
            t = self.now - ago
            if t in everything and t not in anchors and everything[t].pixels > 0:
                pointers.append((ago, everything[t].pointer))
        return Reading(maps, pointers, span)

    def look_back(self, features: Features, found: Candidates, best: int) -> None:
        """Make this frame an anchor where the object is clear and a distractor shows."""
        masks = self._masks(found.masks)
        size = int(masks[best].sum())
        self.sizes.append(size)
        typical = [each for each in self.sizes[-300:] if each][-10:]
        del self.sizes[:-300]
        steady = self.now > 1 and size > 0 and STEADY[0] <= size / np.median(typical) <= STEADY[1]
        rested = self.last_anchor is None or self.now - self.last_anchor > APART
        if not (float(found.quality[best]) > SURE_QUALITY and steady and rested):
            return
        if not distracted(masks[best], [mask for i, mask in enumerate(masks) if i != best]):
            return
        self.last_anchor = self.now
        entry = self.past.pop(self.now)
        logits = found.masks[best : best + 1]
        memory = self.stages.remember(features, logits, found.score, given=True)
        self.given[self.now] = Entry(memory, entry.pointer, entry.score, entry.quality, None, entry.pixels)

    def _masks(self, logits: Tensor) -> list[NDArray[np.bool_]]:
        """Masks at the video's size."""
        large = F.interpolate(logits[None], self.frame, mode="bilinear", align_corners=False)[0]
        return list((large > 0).cpu().numpy())

    def forget(self) -> None:
        """Recent frames, the newest seen ones beyond, and the newest anchors stay."""
        recent = range(self.now + 1 - self.stages.most_pointers, self.now + 1)
        seen = sorted(t for t, entry in self.past.items() if entry.pixels > 0)
        kept = {*recent, *seen[-1:], *[t for t in seen if t % EVERY == 0][-self.rows :]}
        for t in [t for t in self.past if t not in kept]:
            del self.past[t]
        anchors = {0, *recent, *sorted(self.given)[-ANCHORS:]}
        for t in [t for t in self.given if t not in anchors]:
            del self.given[t]


def distracted(mask: NDArray[np.bool_], others: list[NDArray[np.bool_]]) -> bool:
    """Whether the largest part of another mask outside this one would change its box much."""
    box = box_of(mask)
    for other in others:
        outside = (other & ~mask).astype(np.uint8)
        if not outside.any():
            continue
        _, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=8)
        largest = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        if _overlap_of_pixels(box, box_of(mask | largest)) <= DISTRACTED:
            return True
    return False


def _overlap_of_pixels(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """IoU of two boxes whose last column and row belong to them."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]) + 1
    both = float(np.prod(np.maximum(sides, 0)))
    return both / (float(np.prod(one[2:] - one[:2] + 1) + np.prod(other[2:] - other[:2] + 1)) - both)
