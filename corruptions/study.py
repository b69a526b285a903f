"""The perturbations of the ACM MM 2022 study (YouTube-VOS-P): additive noise, mean blur, salt and pepper.

Parameters follow the data set loaders that its authors published; there the operations act on float frames and
nothing is rounded or clipped. Here results are rounded and clipped to uint8, as any stored or decoded frame is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

if TYPE_CHECKING:
    from torch import Tensor

_SOURCE = "Xu et al., Towards Robust Video Object Segmentation with Adaptive Object Calibration, ACM MM 2022"
_STD = (5, 10, 30)
_KERNEL = (3, 5, 9)
_POINTS = (1000, 3000, 5000)


def _additive_noise_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.sampling import add_rounded

    noise = [draw.rng().standard_normal(tuple(frames.shape[1:]), dtype=np.float32) for draw in draws]
    return add_rounded(frames, at_severity(_STD, severity), noise)


@corruption(
    "additive_noise",
    "noise",
    batch=_additive_noise_batch,
    levels=3,
    temporal=("frame", "video"),
    summary="Gaussian noise, independent for each pixel and channel",
    unit="standard deviation, grey levels",
    values=_STD,
    source=_SOURCE,
)
def additive_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Gaussian noise of 5 / 10 / 30 grey levels, rounded to the nearest level and clipped to 0..255."""
    noise = draw.rng().standard_normal(frame.shape, dtype=np.float32)
    noise *= np.float32(at_severity(_STD, severity))
    noise += frame
    return np.clip(np.rint(noise, out=noise), 0, 255, out=noise).astype(np.uint8)


def _mean_blur_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.filters import mean_blur as box

    return box(frames, _side(severity))


def _side(severity: float) -> int:
    return 2 * round((at_severity(_KERNEL, severity) - 1) / 2) + 1


@corruption(
    "mean_blur",
    "blur",
    batch=_mean_blur_batch,
    levels=3,
    summary="Mean over a square (box filter), border reflected",
    unit="side of the square, pixels",
    values=_KERNEL,
    source=_SOURCE,
)
def mean_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Box filter of 3 / 5 / 9 px; between levels the side goes up in odd numbers."""
    import cv2

    return np.asarray(cv2.blur(np.ascontiguousarray(frame), (_side(severity),) * 2), dtype=np.uint8)


def _points(size: tuple[int, int], severity: float, draw: Draw) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """(indices of the pixels hit, each once; 0 or 255 for each)."""
    height, width = size
    points = round(at_severity(_POINTS, severity))
    rng = draw.rng()
    rows, columns = rng.integers(height, size=points), rng.integers(width, size=points)
    # Assignment with repeated indices keeps the last value only by habit of numpy, so repeats are resolved here.
    last = np.full(height * width, -1)
    np.maximum.at(last, rows * width + columns, np.arange(points))
    hit = np.flatnonzero(last >= 0)
    return hit, np.where(last[hit] % 2 == 0, 0, 255).astype(np.uint8)


def _salt_and_pepper_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    import torch

    result = frames.clone()
    for frame, draw in zip(result, draws):
        hit, values = (torch.from_numpy(part).to(frames.device) for part in _points(frame.shape[:2], severity, draw))
        frame.view(-1, 3)[hit] = values[:, None]
    return result


@corruption(
    "salt_and_pepper",
    "noise",
    batch=_salt_and_pepper_batch,
    levels=3,
    temporal=("frame", "video"),
    summary="Black and white points at random places, half of each",
    unit="points per frame, whatever its size",
    values=_POINTS,
    source=_SOURCE,
)
def salt_and_pepper(frame: Frame, severity: float, draw: Draw) -> Frame:
    """1000 / 3000 / 5000 points drawn with replacement, black and white in turn; later points win."""
    hit, values = _points((frame.shape[0], frame.shape[1]), severity, draw)
    result = frame.copy()
    result.reshape(-1, 3)[hit] = values[:, None]
    return result
