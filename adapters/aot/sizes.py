"""The official size rule: what a frame is resized to before it enters the network, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.datasets.video import Frame

from ..common.seam import frame_size, opencv_transposed, through
from ..common.tensors import IMAGENET_MEAN, IMAGENET_STD

STRIDE = 16


@dataclass(frozen=True)
class SizeRule:
    """Limits on the shorter and the longer side (None: none), then rounding to the network's stride."""

    max_short: float | None = None
    max_long: float | None = 1040.0

    @classmethod
    def of(cls, max_resolution: float, scales: tuple[float, ...]) -> SizeRule:
        """The rule of the official `--max_resolution` (default 624: 1.3 times 480).

        The shorter side is limited only where there are scales other than 1.
        """
        return cls(None if scales == (1.0,) else max_resolution, max_resolution * 800.0 / 480.0)

    def size(self, height: int, width: int, scale: float = 1.0, align_corners: bool = True) -> tuple[int, int]:
        """Network (height, width) of a frame."""
        h, w = float(height), float(width)
        if self.max_short is not None and min(h, w) > self.max_short:
            factor = self.max_short / min(h, w)
            h, w = h * factor, w * factor
        if self.max_long is not None and max(h, w) > self.max_long:
            factor = self.max_long / max(h, w)
            h, w = h * factor, w * factor
        extra = 1 if align_corners else 0
        # truncated, then rounded half to even: 585 becomes 577, not 593
        steps = [int(np.around((int(side * scale) - extra) / STRIDE)) for side in (h, w)]
        # at least one step: the official rule gives a frame of less than nine pixels a side of 0 or 1
        return max(1, steps[0]) * STRIDE + extra, max(1, steps[1]) * STRIDE + extra


def network_image(frame: Frame | Tensor, size: tuple[int, int], device: str, flip: bool = False) -> Tensor:
    """A frame -> normalised float32 1 x 3 x h x w on the device, mirrored where `flip`.

    frame: RGB uint8 H x W x 3, or a float tensor 3 x H x W that stands for one.
    """
    native = frame_size(frame)

    def back(gradient: Tensor) -> Tensor:
        plain = gradient.flip(-1) if flip else gradient
        return opencv_transposed((plain / _statistics(plain.device)[1] / 255)[0], native, cv2.INTER_CUBIC)

    return through(frame, lambda pixels: _network_image(pixels, size, device, flip), back)


def _network_image(frame: Frame, size: tuple[int, int], device: str, flip: bool) -> Tensor:
    image: NDArray[np.float32] = frame.astype(np.float32)
    if size != frame.shape[:2]:
        # on the float image: the cubic overshoot beyond 0..255 is kept
        image = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_CUBIC).astype(np.float32, copy=False)
    if flip:
        image = image[:, ::-1]
    tensor = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None]
    mean, std = _statistics(torch.device(device))
    return (tensor / 255 - mean) / std


@lru_cache(maxsize=4)
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    # kept on the device: making them anew would send two small tensors there for every frame
    with torch.inference_mode(False):
        return tuple(torch.tensor(v, device=device)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))  # type: ignore[return-value]
