"""RGB frames to padded 4:2:0 planes and back, with fixed-point arithmetic that is equal on any machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

Planes = NDArray[np.uint8]
"""Planar Y, Cb, Cr of one frame: uint8, (H + H/2) x W, BT.601 full range (as JPEG), H and W even."""

SMALLEST = 64
"""Side in pixels below which frames are padded: libx265 refuses pictures smaller than one coding tree unit."""


def coded_size(height: int, width: int) -> tuple[int, int]:
    """(H, W) that a 4:2:0 codec is given for a frame: even, and at least `SMALLEST` on each side."""
    return max(height + height % 2, SMALLEST), max(width + width % 2, SMALLEST)


def to_planes(frame: Frame) -> Planes:
    """Planes of an RGB frame, its last row and column repeated up to the coded size.

    Chroma is the mean of 2 x 2 pixels (centred siting).
    """
    import cv2

    height, width = frame.shape[:2]
    rows, columns = coded_size(height, width)
    ycc = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2YCrCb)
    if (rows, columns) != (height, width):
        ycc = cv2.copyMakeBorder(ycc, 0, rows - height, 0, columns - width, cv2.BORDER_REPLICATE)
    luma, red, blue = cv2.split(ycc)
    half = (columns // 2, rows // 2)
    planes = np.empty((rows * 3 // 2, columns), np.uint8)
    planes[:rows] = luma
    chroma = planes[rows:].reshape(2, rows // 2, columns // 2)
    chroma[0] = cv2.resize(blue, half, interpolation=cv2.INTER_AREA)
    chroma[1] = cv2.resize(red, half, interpolation=cv2.INTER_AREA)
    return planes


def from_planes(planes: Planes, height: int, width: int) -> Frame:
    """The RGB frame of planes, cropped to its own size; chroma is interpolated linearly."""
    import cv2

    rows, columns = coded_size(height, width)
    blue, red = np.ascontiguousarray(planes[rows:]).reshape(2, rows // 2, columns // 2)
    # The EXACT variant is specified bit for bit; plain INTER_LINEAR may differ between processors.
    full = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT) for plane in (red, blue)]
    ycc = cv2.merge([np.ascontiguousarray(planes[:rows]), *full])
    rgb = np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.uint8)
    return np.ascontiguousarray(rgb[:height, :width])
