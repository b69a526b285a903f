"""Corruptions that gather pixels, on batches: zoom blur and the scattering of frosted glass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..geometry import zoom_axis
from ..sampling import words32
from .border import HEAD_START, truncated


def zoom_blur(frames: Tensor, factors: Sequence[float]) -> Tensor:
    """`kernels.geometry.zoom_blur` of every frame."""
    height, width = frames.shape[1], frames.shape[2]
    source = frames.float()
    total = source.clone()
    for factor in factors:
        row, down = (torch.from_numpy(part).to(frames.device) for part in zoom_axis(height, factor))
        column, right = (torch.from_numpy(part).to(frames.device) for part in zoom_axis(width, factor))
        down, right = down.reshape(-1, 1, 1), right.reshape(-1, 1)
        lower = source.index_select(1, (row + 1).clamp_(max=height - 1))
        blended = (1.0 - down) * source.index_select(1, row) + down * lower
        after = blended.index_select(2, (column + 1).clamp_(max=width - 1))
        total += (1.0 - right) * blended.index_select(2, column) + right * after
    scale = float(np.float32(1.0) / np.float32(len(factors) + 1))
    return truncated(total * scale + HEAD_START)


def scatter(frames: Tensor, reach: int, times: int, rngs: Sequence[np.random.Generator]) -> Tensor:
    """`kernels.geometry.scatter` of every frame with its generator.

    There each pixel copies a neighbour in turn, which may have copied another before: chains of a few steps. Here
    every pixel looks up where its chain ends.
    """
    height, width = frames.shape[1], frames.shape[2]
    inner = (max(height - 2 * reach, 0), max(width - 2 * reach, 0))
    count = inner[0] * inner[1]
    if not count:
        return frames.clone()
    result = []
    for frame, rng in zip(frames, rngs):
        flat = frame.reshape(-1, 3)
        for _ in range(times):
            words = torch.from_numpy(words32(rng, count).view(np.int32)).to(frames.device).long()
            flat = flat[_chain_ends(words, reach, (height, width), inner)]
        result.append(flat.reshape(frame.shape))
    return torch.stack(result)


def _chain_ends(words: Tensor, reach: int, size: tuple[int, int], inner: tuple[int, int]) -> Tensor:
    """Index of the pixel whose colour each of H x W pixels ends up with; words in the order pixels are visited."""
    height, width = size
    pixels = height * width
    place = torch.arange(words.numel(), device=words.device)
    y, x = height - reach - place // inner[1], width - reach - place % inner[1]
    source_x = x + (((words & 0xFFFF) * (2 * reach)) >> 16) - reach
    source_y = y + ((((words >> 16) & 0xFFFF) * (2 * reach)) >> 16) - reach
    visited = (source_y > y) | ((source_y == y) & (source_x > x))
    visited &= (source_y <= height - reach) & (source_x > reach) & (source_x <= width - reach)
    # Nodes 0..pixels-1 are pixels as they come out, pixels..2 pixels - 1 as they went in, where chains end.
    source = source_y * width + source_x + torch.where(visited, 0, pixels)
    ends = torch.arange(pixels, 2 * pixels, device=words.device).repeat(2)
    ends[y * width + x] = source
    while bool((ends[:pixels] < pixels).any()):
        ends = ends[ends]
    return ends[:pixels] - pixels
