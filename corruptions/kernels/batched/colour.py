"""Pixelwise changes of colour on batches, through the tables of `kernels.colour`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..colour import brightness_table, contrast_table, saturation_tables


def brighten(frames: Tensor, amount: float) -> Tensor:
    """`kernels.colour.brighten` of every frame."""
    table = torch.from_numpy(brightness_table(float(amount))).to(frames.device).reshape(-1)
    return table[frames.amax(3, keepdim=True).int() * 256 + frames]


def contrast(frames: Tensor, factor: float) -> Tensor:
    """`kernels.colour.contrast` of every frame, around that frame's own means."""
    totals = frames.sum((1, 2), dtype=torch.int64).cpu().numpy()
    means = totals / (frames.shape[1] * frames.shape[2])
    tables = np.stack([contrast_table(mean, float(factor)) for mean in means])
    table = torch.from_numpy(tables).to(frames.device).reshape(-1)
    first = torch.arange(frames.shape[0], dtype=torch.int32, device=frames.device).reshape(-1, 1, 1, 1) * 768
    channel = torch.arange(3, dtype=torch.int32, device=frames.device)
    return table[frames.int() * 3 + channel + first]


def saturate(frames: Tensor, gain: float, offset: float) -> Tensor:
    """`kernels.colour.saturate` of every frame."""
    ratio, grey = (torch.from_numpy(table).to(frames.device) for table in saturation_tables(float(gain), float(offset)))
    high, low = frames.amax(3, keepdim=True).int(), frames.amin(3, keepdim=True).int()
    scale = ratio.reshape(-1)[high * 256 + (high - low)]
    coloured = (high.float() + 1e-3) - (high - frames).float() * scale
    tinted = torch.cat([high.to(torch.uint8), *(grey[high],) * 2], dim=3)
    return torch.where(high == low, tinted, coloured.clamp_(min=0.0).to(torch.uint8))
