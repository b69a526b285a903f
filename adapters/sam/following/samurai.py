"""SAMURAI (Yang et al. 2024, arXiv:2411.11922): motion and memory selection. Our reading of the paper.

Of the three masks the best weighted sum of predicted IoU and overlap with the box that a Kalman filter expects is
taken, once the filter has seen `STABLE` frames in a row; memory is read of frames whose mask, presence and motion are
good. Thresholds as in the authors' settings files (yangchris11/samurai).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..stages import Candidates, Reading, Stages
from .motion import BoxMotion, box_of, overlap
from .plain import Entry
from .selected import Selected

STABLE = 15
"""Frames in a row with a predicted IoU above `TRUSTED`, before motion has a say."""
TRUSTED = 0.3
MASK, PRESENCE, MOTION = 0.5, 0.0, 0.0
"""What a frame must exceed to be read later: predicted IoU, logit of presence, overlap with the expected box."""
SEEN = -1.0
"""Logit above which an object counts as seen on a frame; SAM 2 has 0."""


class Samurai(Selected):
    """weight: of motion against predicted IoU, 0.15 in the paper and for Hiera-L, 0.25 in the files of the others."""

    def __init__(self, stages: Stages, length: int, frame: tuple[int, int], weight: float) -> None:
        super().__init__(stages, length, frame)
        self.weight = weight
        self.motion: BoxMotion | None = None
        self.stable = 0

    def good(self, entry: Entry) -> bool:
        """Whether a frame is worth reading later."""
        return entry.quality > MASK and entry.score > PRESENCE and (entry.motion is None or entry.motion > MOTION)

    def chosen(self) -> list[int]:
        """As the base, without the first frame after the given one, which the authors' search does not reach."""
        return [t for t in super().chosen() if t > 1 or t == self.now - 1]

    def reading(self) -> Reading:
        """Maps of the chosen frames; pointers of the frames before, as in SAM 2."""
        maps = [*self.always(), *self.newest(self.chosen())]
        return Reading(maps, [*self.pointers_of_given(), *self.recent_pointers()], self.span)

    def kept(self) -> set[int]:
        """Good frames for maps, the newest ones for pointers."""
        recent = range(self.now + 1 - self.stages.most_pointers, self.now + 1)
        return super().kept() | set(recent)

    def choose(self, found: Candidates) -> tuple[int, float | None]:
        """The mask to take; the filter is told of it."""
        best = int(torch.argmax(found.quality))
        if self.motion is None or self.stable == 0:
            self.motion = BoxMotion(self._box(found.masks[best]))
            self.stable = 1
            return best, None
        self.motion.predict()
        if self.stable < STABLE:
            if float(found.quality[best]) > TRUSTED:
                self.motion.update(self._box(found.masks[best]))
                self.stable += 1
            else:
                self.stable = 0
            return best, None
        boxes = [self._box(mask) for mask in found.masks]
        fits = [overlap(self.motion.box(), box) for box in boxes]
        sums = [self.weight * fit + (1 - self.weight) * float(q) for fit, q in zip(fits, found.quality)]
        best = int(np.argmax(sums))
        if float(found.quality[best]) < TRUSTED:
            self.stable = 0
        else:
            self.motion.update(boxes[best])
        return best, fits[best]

    def _box(self, logits: Tensor) -> NDArray[np.float64]:
        """Box of a mask, logits 4g x 4g, in pixels of the network's square."""
        side = self.stages.side
        large = F.interpolate(logits[None, None], (side, side), mode="bilinear", align_corners=False)
        return box_of((large[0, 0] > 0).cpu().numpy())
