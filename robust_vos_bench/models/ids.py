"""Object ids: networks count 1..k densely in order of appearance, masks carry any ids up to 254."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class IdMap:
    """Two-way map between original ids and dense channels 1..k, grown as objects appear."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        """Original id of dense channel i + 1."""

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, prompt: NDArray[np.uint8]) -> list[int]:
        """Register the ids in a prompt that are new, in ascending order; returns them (original ids)."""
        new = [int(i) for i in np.unique(prompt) if i and int(i) not in self.ids]
        self.ids.extend(new)
        return new

    def to_dense(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Original ids -> 1..k; ids never registered become 0. uint8 H x W."""
        table = np.zeros(256, np.uint8)
        for channel, i in enumerate(self.ids, start=1):
            table[i] = channel
        return table[mask]

    def to_original(self, mask: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Dense labels 0..k -> original ids, uint8 H x W."""
        table = np.zeros(len(self.ids) + 1, np.uint8)
        table[1:] = self.ids
        out: NDArray[np.uint8] = table[mask]
        return out
