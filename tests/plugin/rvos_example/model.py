"""The model: moves the masks with the camera."""

from __future__ import annotations

import cv2
import numpy as np

from robust_vos_bench.datasets import Video
from robust_vos_bench.models import Checkpoint, StreamingAdapter
from rvos_example import SHIFT


class Shift(StreamingAdapter):
    """Estimates one translation a frame by phase correlation. gain: how much of it the masks follow."""

    card = SHIFT

    def __init__(self, checkpoint: Checkpoint = None, device: str = "cpu", *, gain: float = 1.0) -> None:
        super().__init__(checkpoint, device)
        self.gain = gain

    def reset(self, video: Video) -> None:
        """Start a video: forget the last one."""
        self.mask = np.zeros(video.size, np.uint8)
        self.previous: np.ndarray | None = None

    def step(self, frame: np.ndarray, prompt: np.ndarray | None, last: bool) -> np.ndarray:
        """Segment one frame: shift what there is, then add what the prompt brings."""
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if self.previous is not None:
            (dx, dy), _ = cv2.phaseCorrelate(self.previous, grey)
            move = np.array([[1, 0, self.gain * dx], [0, 1, self.gain * dy]], np.float32)
            self.mask = cv2.warpAffine(self.mask, move, self.mask.shape[::-1], flags=cv2.INTER_NEAREST)
        self.previous = grey
        if prompt is not None:
            self.mask = np.where(prompt > 0, prompt, self.mask)
        return self.mask.copy()
