"""What is remembered of past frames: one long-term bank and one short-term frame per layer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Current:
    """What a layer keeps of the current frame until its masks are known."""

    key: Tensor
    """Heads x N x d."""
    value: Tensor
    """N x C; AOT: the normalised features; DeAOT: the visual values."""
    identity: Tensor | None = None
    """DeAOT: N x C features of the identification stream; none in its first layer."""


@dataclass(frozen=True)
class Fused:
    """Keys and identity-bearing values of one or more remembered frames."""

    key: Tensor
    """Heads x T x d."""
    value: Tensor
    """Heads x T x e."""


@dataclass(frozen=True)
class Memory:
    """What one layer attends to."""

    long: Fused
    short: Fused


class Bank:
    """Long-term and short-term memory of all layers of one engine, by the official rules.

    A reference frame always enters the long-term bank and resets the short-term memory to itself. Any other frame
    enters the bank when `gap` frames have passed since the last entry, and becomes the short-term memory `skip`
    frames later.

    max_frames bounds the bank, which by the official rule grows without limit: beyond it the oldest entry that is not
    a reference is dropped. References always stay, because nothing else tells what the objects are.
    """

    def __init__(self, gap: int, skip: int = 1, max_frames: int | None = None) -> None:
        self.gap, self.max_frames = gap, max_frames
        self.references: list[bool] = []
        """For each entry of the bank, in order of time: whether it is a reference frame."""
        self._long: list[Fused] = []
        self._short: deque[list[Fused]] = deque(maxlen=skip)
        self._age = 0

    def __len__(self) -> int:
        return len(self.references)

    @property
    def layers(self) -> list[Memory]:
        """What each layer attends to now."""
        return [Memory(long, short) for long, short in zip(self._long, self._short[0])]

    def tick(self) -> None:
        """A frame was propagated."""
        self._age += 1

    def refer(self, frame: list[Fused]) -> None:
        """Take a reference frame."""
        self._write(frame, reference=True)
        self._short.clear()
        self._short.append(frame)

    def update(self, frame: list[Fused]) -> None:
        """Take the frame just segmented."""
        self._short.append(frame)
        if self._age >= self.gap:
            self._write(frame, reference=False)

    def _write(self, frame: list[Fused], reference: bool) -> None:
        self._age = 0
        drop = None
        self.references.append(reference)
        if self.max_frames is not None and len(self) > self.max_frames and False in self.references:
            drop = self.references.index(False)
            del self.references[drop]
            if drop == len(self):  # no room beside the references
                return
        if not self._long:
            self._long = frame
            return
        length = frame[0].key.shape[1]
        self._long = [
            Fused(_replace(old.key, new.key, drop, length), _replace(old.value, new.value, drop, length))
            for old, new in zip(self._long, frame)
        ]


def _replace(old: Tensor, new: Tensor, drop: int | None, length: int) -> Tensor:
    """G x T x d with one frame's tokens appended and, where `drop` is an entry's index, that entry's left out."""
    if drop is None:
        return torch.cat([old, new], dim=1)
    return torch.cat([old[:, : drop * length], old[:, (drop + 1) * length :], new], dim=1)
