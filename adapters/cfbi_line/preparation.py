"""The official input: size rule, cubic resize, channel order."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.datasets.video import Frame

from ..common.seam import frame_size, opencv_transposed, through
from ..common.tensors import IMAGENET_MEAN, IMAGENET_STD


def network_size(size: tuple[int, int], max_edge: float, scale: float = 1.0) -> tuple[int, int]:
    """(H, W) of the network input: at most `max_edge` long, never enlarged, times `scale`, sides 16 k + 1.

    Each side is rounded on its own, so the aspect ratio changes a little (480 x 854 -> 481 x 849).
    """
    longest = max(size)
    shrink = max_edge / longest if longest > max_edge else 1

    def side(n: int) -> int:
        # Truncated, then rounded half to even: 720 x 1280 becomes 577 x 1041, not 593 x 1041.
        length = int(shrink * n * scale)
        return length if (length - 1) % 16 == 0 else int(np.around((length - 1) / 16) * 16 + 1)

    return side(size[0]), side(size[1])


def prepare(frame: Frame | Tensor, size: tuple[int, int]) -> Tensor:
    """A frame -> float32 1 x 3 x h x w as the released weights saw images in training.

    frame: RGB uint8 H x W x 3, or a float tensor 3 x H x W that stands for one.
    """

    def back(gradient: Tensor) -> Tensor:
        plain = gradient[0].flip(0) / (255 * gradient.new_tensor(IMAGENET_STD[::-1])[:, None, None])
        return opencv_transposed(plain, frame_size(frame), cv2.INTER_CUBIC)

    return through(frame, lambda pixels: _prepare(pixels, size), back)


def _prepare(frame: Frame, size: tuple[int, int]) -> Tensor:
    # Channels are B, G, R but get the statistics of R, G, B.
    image: NDArray[Any] = np.ascontiguousarray(frame[..., ::-1], np.float32)
    if image.shape[:2] != size:
        # Cubic on float values and not clipped: the result overshoots 0..255 at edges.
        image = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    normalised = (image / np.float32(255) - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    return torch.from_numpy(normalised.astype(np.float32).transpose(2, 0, 1).copy())[None]
