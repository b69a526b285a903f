"""Small tensor operations that several families define alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def image_tensor(frame: NDArray[np.uint8] | Tensor, device: str | torch.device) -> Tensor:
    """RGB uint8 H x W x 3, or float 3 x H x W in 0..255 -> float32 1 x 3 x H x W in 0..1."""
    if isinstance(frame, Tensor):
        return frame[None] / 255
    return torch.from_numpy(np.array(frame)).to(device).permute(2, 0, 1)[None].float() / 255


def normalise(image: Tensor, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> Tensor:
    """(image - mean) / std per channel; image 1 x 3 x H x W in 0..1."""
    return (image - image.new_tensor(mean)[:, None, None]) / image.new_tensor(std)[:, None, None]


def pad_to_multiple(tensor: Tensor, multiple: int, mode: str = "constant") -> tuple[Tensor, tuple[int, int, int, int]]:
    """Pad H and W up to a multiple, split evenly with the odd pixel at the end (left, right, top, bottom)."""
    height, width = tensor.shape[-2:]
    rows, columns = -height % multiple, -width % multiple
    pads = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return F.pad(tensor, pads, mode=mode), pads


def unpad(tensor: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
    """Undo `pad_to_multiple`."""
    left, right, top, bottom = pads
    height, width = tensor.shape[-2:]
    return tensor[..., top : height - bottom, left : width - right]


def aggregate(probabilities: Tensor, eps: float = 1e-7) -> Tensor:
    """Soft aggregation (STM, eq. 4): foreground probabilities k x ... -> softmax over background + k objects.

    Background is the product of the complements; all are clamped to [eps, 1 - eps] and turned into odds.
    Returns (1 + k) x ... that sums to 1 over the first axis.
    """
    background = torch.prod(1 - probabilities, dim=0, keepdim=True)
    every = torch.cat([background, probabilities], 0).clamp(eps, 1 - eps)
    return torch.softmax(torch.log(every / (1 - every)), dim=0)


def log_of(probabilities: Tensor) -> Tensor:
    """Logits of probabilities, float32; those below 1e-12 pass no gradient."""
    return probabilities.float().clamp(min=1e-12).log()


def log_mean(logits: Sequence[Tensor], dim: int) -> Tensor:
    """Logarithm of the mean of the softmaxes of several logits: finite, with gradients, where a softmax is 0 or 1."""
    return torch.stack([torch.log_softmax(each.float(), dim) for each in logits]).logsumexp(0) - math.log(len(logits))
