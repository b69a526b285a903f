"""A float frame through an adapter's own code for uint8 frames, with gradients.

OpenCV and Pillow resize arrays, and some of them round. A frame of an attack goes through the very same code, so that
the network sees what it would see of the stored frame; the gradient takes the transposed way of the resize. All such
resizes are linear but for rounding, and treat rows and columns one after the other: two matrices are the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robust_vos_bench.datasets.video import Frame


def through(frame: Frame | Tensor, ahead: Callable[[Frame], Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
    """`ahead` of a frame RGB uint8 H x W x 3, or of a float tensor 3 x H x W in 0..255 that stands for one.

    back: the gradient of what `ahead` gives -> the gradient of the frame, 3 x H x W. The graph keeps it, so it must not
    hold the session: a session remembers tensors of that graph, and Python's collector sees no circle through a graph.
    """
    if isinstance(frame, Tensor):
        made: Tensor = _Through.apply(frame, ahead, back)  # type: ignore[no-untyped-call]
        return made
    return ahead(frame)


def frame_size(frame: Frame | Tensor) -> tuple[int, int]:
    """(H, W) of a frame H x W x 3 or a tensor 3 x H x W."""
    height, width = frame.shape[-2:] if isinstance(frame, Tensor) else frame.shape[:2]
    return int(height), int(width)


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frame: Tensor, ahead: Callable[[Frame], Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.back = back
        pixels = frame.detach().round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
        return ahead(np.ascontiguousarray(pixels.cpu().numpy()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.back(gradients[0]), None, None


def opencv_transposed(gradient: Tensor, size: tuple[int, int], interpolation: int) -> Tensor:
    """The gradient ... x h x w of a frame resized by `cv2.resize` -> that of the frame of `size`, ... x H x W."""
    return _transposed(gradient, size, lambda before, after: _opencv(before, after, interpolation))


def pillow_transposed(gradient: Tensor, size: tuple[int, int], filter: Image.Resampling) -> Tensor:
    """The gradient ... x h x w of a frame resized by Pillow -> that of the frame of `size`, ... x H x W."""
    return _transposed(gradient, size, lambda before, after: _pillow(before, after, filter))


def _transposed(gradient: Tensor, size: tuple[int, int], weights: Callable[[int, int], Tensor]) -> Tensor:
    height, width = gradient.shape[-2:]
    if height != size[0]:
        gradient = weights(size[0], height).to(gradient).T @ gradient
    if width != size[1]:
        gradient = gradient @ weights(size[1], width).to(gradient)
    return gradient


@lru_cache(maxsize=16)
def _opencv(before: int, after: int, interpolation: int) -> Tensor:
    """after x before: what the resize does to one axis, found by resizing unit vectors."""
    units = np.eye(before, dtype=np.float32)
    return torch.from_numpy(cv2.resize(units, (before, after), interpolation=interpolation))


@lru_cache(maxsize=16)
def _pillow(before: int, after: int, filter: Image.Resampling) -> Tensor:
    units = Image.fromarray(np.eye(before, dtype=np.float32))
    return torch.from_numpy(np.array(units.resize((before, after), filter)))
