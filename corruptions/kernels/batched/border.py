"""What lies beyond the border of a batch, and how floats become pixels again."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

HEAD_START = 1.0 / 512.0
"""As in `kernels.filters`: flat areas do not hang on the last bit of a sum."""


def padded(frames: Tensor, top: int, bottom: int, left: int, right: int, mode: str = "edge") -> Tensor:
    """Frames (N, H, W, 3) with more rows and columns: "edge" repeats, "reflect" mirrors (OpenCV's REFLECT_101)."""

    def places(size: int, before: int, after: int) -> Tensor:
        index: NDArray[np.int64] = np.pad(np.arange(size), (before, after), mode=mode)  # type: ignore[call-overload]
        return torch.from_numpy(index).to(frames.device)

    tall = frames.index_select(1, places(frames.shape[1], top, bottom))
    return tall.index_select(2, places(frames.shape[2], left, right))


def rows_of(frames: Tensor) -> Tensor:
    """Frames (N, H, W, 3) as rows of interleaved channels (N, H, 3 W)."""
    return frames.reshape(frames.shape[0], frames.shape[1], -1)


def truncated(values: Tensor) -> Tensor:
    """Float pixels cut to 0..255 and truncated to uint8."""
    return values.clamp_(0.0, 255.0).to(torch.uint8)
