"""The reference pixels that global matching searches, selected by slot once when a reference frame is added."""

from __future__ import annotations

import torch
from torch import Tensor


class ReferencePool:
    """Embeddings of the labelled pixels of all reference frames."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._slots: list[Tensor] = []
        self._groups: list[list[Tensor]] = []

    def add(self, embedding: Tensor, masks: Tensor) -> None:
        """Take in a frame: embedding C x h x w; masks bool slots x h x w, disjoint. Pixels in no mask are left out."""
        if len(masks) > len(self._groups):
            self._groups += [[] for _ in range(len(masks) - len(self._groups))]
        flat = embedding.flatten(1).T
        for slot, mask in enumerate(masks.flatten(1)):
            chosen = flat[mask]
            if len(chosen):
                self._groups[slot].append(chosen)
        labelled = masks.flatten(1).any(0)
        self._rows.append(flat[labelled])
        self._slots.append(masks.flatten(1).to(torch.uint8).argmax(0)[labelled])

    def group(self, slot: int) -> Tensor:
        """R x C embeddings of one slot in the order frame, row, column; R is 0 where it has no pixel."""
        frames = self._groups[slot] if slot < len(self._groups) else []
        if not frames:
            return self._rows[0][:0]
        if len(frames) > 1:
            self._groups[slot] = frames = [torch.cat(frames)]
        return frames[0]

    def groups(self, slots: int) -> list[Tensor]:
        """`group` of slots 0..slots-1."""
        return [self.group(slot) for slot in range(slots)]

    def rows(self) -> tuple[Tensor, Tensor]:
        """All pixels in the order frame, row, column: embeddings R x C and their slots (R,)."""
        return torch.cat(self._rows), torch.cat(self._slots)
