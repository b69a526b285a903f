"""Blur kernels and linear light, shared by the corruptions that imitate a camera."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame


def to_linear(code: NDArray[np.floating]) -> NDArray[np.float64]:
    """Linear light 0..1 of sRGB codes 0..1 (IEC 61966-2-1)."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def to_srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB codes 0..1 of linear light 0..1 (IEC 61966-2-1)."""
    light = np.maximum(light, 0.0)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1.0 / 2.4) - 0.055)


def linear_gain_table(gain: float) -> NDArray[np.uint8]:
    """The sRGB code, uint8 (256,), of each code after a gain in linear light; highlights clip."""
    light = np.clip(to_linear(np.arange(256) / 255.0) * gain, 0.0, 1.0)
    return np.clip(np.rint(to_srgb(light) * 255.0), 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _disk(radius: float) -> NDArray[np.float32]:
    reach = int(np.ceil(radius))
    steps = np.arange(-reach, reach + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps), 0.0, 1.0)
    made: NDArray[np.float32] = (kernel / kernel.sum()).astype(np.float32)
    made.setflags(write=False)
    return made


def disk_kernel(radius: float) -> NDArray[np.float32]:
    """A blur disk with a soft edge of one pixel; any radius >= 0 in pixels, 0 leaves the picture as it is."""
    return _disk(round(radius, 2))


def trail_kernel(path: NDArray[np.float64]) -> NDArray[np.float32]:
    """Blur along a path of points (2, N) in pixels (x, y), spread over the pixels around each and centred."""
    centred = path - path.mean(axis=1, keepdims=True)
    reach = int(np.ceil(np.abs(centred).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    corner = np.floor(centred).astype(int)
    part = centred - corner
    for dx in (0, 1):
        for dy in (0, 1):
            share = np.abs(1 - dx - part[0]) * np.abs(1 - dy - part[1])
            np.add.at(kernel, (corner[1] + dy + reach, corner[0] + dx + reach), share)
    # Convolution, not correlation: the picture is smeared the way the camera went.
    return np.ascontiguousarray((kernel[::-1, ::-1] / kernel.sum()).astype(np.float32))


def blur_with(frame: Frame, kernel: NDArray[np.float32]) -> Frame:
    """The frame filtered with a kernel; the border is reflected, or repeated where the frame is smaller."""
    import cv2

    if kernel.shape == (1, 1):
        return frame.copy()
    border = cv2.BORDER_REFLECT_101 if min(frame.shape[:2]) > max(kernel.shape) // 2 else cv2.BORDER_REPLICATE
    blurred = cv2.filter2D(np.ascontiguousarray(frame), -1, kernel, borderType=border)
    return np.asarray(blurred, np.uint8).reshape(frame.shape)
