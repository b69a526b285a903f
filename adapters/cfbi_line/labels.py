"""Label masks on feature grids: sampling, one-hot slots, thinning of reference pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def _nearest_index(source: int, target: int, device: torch.device) -> Tensor:
    # The scale and the product are float32: trained weights saw the columns that float32 picks, and float64 picks
    # others (854 -> 77).
    scale = np.float32(source) / np.float32(target)
    index = np.floor(np.arange(target, dtype=np.float32) * scale).astype(np.int64)
    return torch.from_numpy(np.minimum(index, source - 1)).to(device)


def sample(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest sampling of the last two axes to `size` = (h, w) by the rule floor(i * H / h); any type and device."""
    rows = _nearest_index(labels.shape[-2], size[0], labels.device)
    columns = _nearest_index(labels.shape[-1], size[1], labels.device)
    return labels[..., rows[:, None], columns]


def one_hot(labels: Tensor, slots: int) -> Tensor:
    """Integer labels h x w -> bool slots x h x w; labels outside 0..slots-1 (an ignore value) are in no slot."""
    return labels[None] == torch.arange(slots, device=labels.device, dtype=labels.dtype)[:, None, None]


def thin(masks: Tensor, rate: int, min_pixels: int = 0) -> Tensor:
    """Keep only pixels whose row and column are multiples of `rate` ("atrous matching"), bool slots x h x w.

    min_pixels: slots (background included) with no more than min_pixels * rate^2 pixels stay whole; 0 thins all.
    """
    if rate == 1:
        return masks
    lattice = torch.zeros_like(masks[0])
    lattice[::rate, ::rate] = True
    if min_pixels == 0:
        return masks & lattice
    large = masks.sum((1, 2)) > min_pixels * rate**2
    return masks & (lattice | ~large[:, None, None])
