"""Warping of soft masks by DIS optical flow."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint, StreamingAdapter
from robust_vos_bench.models.ids import IdMap

from ..common.opencv import one_opencv_thread
from . import CARD

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class Flow(StreamingAdapter):
    """Carries one soft map per object from frame to frame along the flow and labels each pixel with the strongest.

    preset: OpenCV's "ultrafast", "fast" or "medium" DIS settings. sharpen: contrast gain about 0.5 after each warp.
    Rounding to labels every frame would lose all motion below half a pixel; interpolating soft maps keeps it but
    blurs a little each time, which the gain undoes (1 = never).
    """

    card = CARD

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        preset: str = "medium",
        sharpen: Annotated[float, Meta(ge=1)] = 1.5,
    ) -> None:
        super().__init__(checkpoint, device)
        if preset not in PRESETS:
            raise UsageError(f"model 'flow': option preset is {preset!r}; it can be {', '.join(PRESETS)}")
        self.preset = preset
        self.sharpen = sharpen

    def reset(self, video: Video) -> None:
        """Forget the last frame and all objects."""
        self._ids = IdMap()
        self._maps: list[NDArray[np.float32]] = []
        self._previous: NDArray[np.uint8] | None = None
        height, width = video.size
        self._x, self._y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Warp every object's map to this frame; where a prompt shows an object, it is as given."""
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._previous is not None:
            self._warp(grey)
        self._previous = grey
        if prompt is not None:
            self._add(prompt)
        return self._label()

    def _warp(self, grey: NDArray[np.uint8]) -> None:
        assert self._previous is not None
        with one_opencv_thread():
            # Flow from the new frame back to the last one says, for each new pixel, where to read: no holes.
            # A fresh DIS object every time: it keeps buffers between calls.
            flow = cv2.DISOpticalFlow.create(PRESETS[self.preset]).calc(
                padded(grey), padded(self._previous), np.empty(0, np.float32)
            )[: grey.shape[0], : grey.shape[1]]
            x, y = self._x + flow[..., 0], self._y + flow[..., 1]
            warped = [cv2.remap(m, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for m in self._maps]
        self._maps = [np.clip((m - 0.5) * np.float32(self.sharpen) + 0.5, 0, 1).astype(np.float32) for m in warped]

    def _add(self, prompt: Mask) -> None:
        self._ids.add(prompt)
        given = prompt > 0
        while len(self._maps) < len(self._ids):
            self._maps.append(np.zeros(prompt.shape, np.float32))
        for i, soft in zip(self._ids.ids, self._maps):
            soft[given] = prompt[given] == i

    def _label(self) -> Mask:
        # Background is what the objects leave over; a tie goes to the background, then to the older object.
        best = np.maximum(1 - np.sum(self._maps, axis=0), 0).astype(np.float32)
        labels = np.zeros(best.shape, np.uint8)
        for channel, soft in enumerate(self._maps, start=1):
            wins = soft > best
            labels[wins] = channel
            best = np.maximum(best, soft)
        return self._ids.to_original(labels)


def padded(grey: NDArray[np.uint8], least: int = 32) -> NDArray[np.uint8]:
    """The image, extended by its border pixels to at least `least` rows and columns, which DIS needs for a patch."""
    rows, columns = max(0, least - grey.shape[0]), max(0, least - grey.shape[1])
    if not rows and not columns:
        return grey
    return np.asarray(cv2.copyMakeBorder(grey, 0, rows, 0, columns, cv2.BORDER_REPLICATE), np.uint8)
