"""Noise on batches: the words of the same keyed generators through the tables of `kernels.sampling`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..sampling import (
    EXTRA,
    normal_table,
    poisson_rows,
    speckle_rows,
    words16,
    words32,
)

Generators = Sequence[np.random.Generator]


def _words(frames: Tensor, rngs: Generators) -> tuple[Tensor, Tensor]:
    """(16-bit words for every value (N, values), spare words (N, EXTRA)) as int32, drawn as on the CPU."""
    size = frames[0].numel()
    drawn = [(words16(rng, size), words16(rng, EXTRA)) for rng in rngs]
    return _unsigned(frames, [a for a, _ in drawn]), _unsigned(frames, [b for _, b in drawn])


def _unsigned(frames: Tensor, words: Sequence[NDArray[np.uint16]]) -> Tensor:
    return torch.from_numpy(np.stack(words).view(np.int16)).to(frames.device).int() & 0xFFFF


def _fine(words: Tensor, spare: Tensor, cut: Tensor) -> Tensor:
    """32-bit words, int64: the given upper half, and for the values in `cut` the next spare word as the lower one."""
    number = cut.cumsum(1, dtype=torch.int32) - 1
    lower = spare.gather(1, (number & (EXTRA - 1)).long())
    return (words.long() << 16) | lower


def add_normal(frames: Tensor, std: float, rngs: Generators) -> Tensor:
    """`kernels.sampling.add_normal` of every frame with its generator."""
    low, thresholds, first = normal_table(float(std))
    table = torch.from_numpy(thresholds.astype(np.int64)).to(frames.device)
    words, spare = _words(frames, rngs)
    shift = torch.from_numpy(first.astype(np.int32)).to(frames.device)[words]
    last = len(thresholds) - 1
    cut = (shift < last) & ((table[shift] >> 16) == words)
    exact = torch.searchsorted(table[:-1], _fine(words, spare, cut), right=True).int()
    value = frames.reshape(len(frames), -1) + torch.where(cut, exact, shift) + low
    return value.clamp_(0, 255).to(torch.uint8).reshape(frames.shape)


def _by_rows(frames: Tensor, thresholds: NDArray[np.uint32], rngs: Generators) -> Tensor:
    # All rows in one ascending table: row v is shifted by v 2**32, beyond any word of the rows before it.
    offset = np.arange(256, dtype=np.int64)[:, None] << 32
    table = torch.from_numpy((thresholds.astype(np.int64) + offset).reshape(-1)).to(frames.device)
    drawn = np.stack([words32(rng, frames[0].numel()) for rng in rngs]).view(np.int32)
    words = torch.from_numpy(drawn).to(frames.device).long() & 0xFFFFFFFF
    level = frames.reshape(len(frames), -1).long()
    place = torch.searchsorted(table, (level << 32) | words, right=True) - 256 * level
    return place.clamp_(max=255).to(torch.uint8).reshape(frames.shape)


def poisson(frames: Tensor, photons: float, rngs: Generators) -> Tensor:
    """`kernels.sampling.poisson` of every frame with its generator."""
    return _by_rows(frames, poisson_rows(float(photons))[0], rngs)


def speckle(frames: Tensor, std: float, rngs: Generators) -> Tensor:
    """`kernels.sampling.speckle` of every frame with its generator."""
    return _by_rows(frames, speckle_rows(float(std))[0], rngs)


def impulses(frames: Tensor, amount: float, rngs: Generators) -> Tensor:
    """`kernels.sampling.impulses` of every frame with its generator."""
    both, pepper = round(amount * 2.0**32), round(amount * 2.0**31)
    words, spare = _words(frames, rngs)
    cut = words <= (both >> 16)
    fine = _fine(words, spare, cut)
    flat = frames.reshape(len(frames), -1)
    hit = torch.where(cut & (fine < both), torch.where(fine < pepper, 0, 255).to(torch.uint8), flat)
    return hit.reshape(frames.shape)


def add_rounded(frames: Tensor, std: float, noise: Sequence[NDArray[np.float32]]) -> Tensor:
    """Frames plus std x noise (float32, one array per frame), rounded to the nearest level."""
    total = torch.from_numpy(np.stack(noise)).to(frames.device) * float(np.float32(std))
    total += frames
    return total.round_().clamp_(0.0, 255.0).to(torch.uint8)
