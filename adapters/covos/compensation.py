"""What the codec's vectors predict of a picture, and how far off that is: the stand-in for the decoder's residual."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

from .sizes import Decoded
from .stream import CELL, Picture


def decoded(picture: Picture, past: Picture, future: Picture, with_residual: bool) -> Decoded:
    """Vectors, offsets and residual of a frame between two key frames, on the frame's own pixels."""
    height, width = picture.frame.shape[:2]

    def pixels(field: NDArray[np.int16] | NDArray[np.bool_]) -> NDArray[np.int16]:
        grown = field.astype(np.int16).repeat(CELL, 1).repeat(CELL, 2)
        return np.ascontiguousarray(grown[:, :height, :width])

    x, y, used = pixels(picture.x), pixels(picture.y), pixels(picture.used).astype(np.bool_)
    away = np.array([picture.time - past.time, future.time - picture.time], np.uint8)
    offsets = used * away[:, None, None]
    keys = (past.frame, future.frame)
    return Decoded(x, y, offsets, residual(picture.frame, keys, x, y, used) if with_residual else None)


def residual(
    frame: Frame,
    keys: tuple[Frame, Frame],
    x: NDArray[np.int16],
    y: NDArray[np.int16],
    used: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """H x W x 3 in -1..1: frame minus the mean of what its vectors (quarter pixels, 2 x H x W) point at, bilinear.

    Pixels without a vector have the largest residual: an encoder codes a block anew where nothing predicts it.
    """
    height, width = frame.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    total = np.zeros(frame.shape, np.float32)
    for side, key in enumerate(keys):
        if used[side].any():
            places = columns + x[side] / np.float32(4), rows + y[side] / np.float32(4)
            seen = cv2.remap(key, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            total += seen * used[side][..., None]
    count = used.sum(0)[..., None]
    missed = (frame - total / np.maximum(count, 1).astype(np.float32)) / np.float32(255)
    return np.where(count > 0, missed, np.float32(1)).astype(np.float32)
