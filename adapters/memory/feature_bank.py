"""The memory of AFB-URR: per channel a table of feature vectors that are merged, appended and removed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .bank import Rows

COUNTED = 1e-3
"""A row is used by the cells of a query that give it more weight than this."""
MOST_USE = 1e5
BLOCK = 1 << 24
"""Numbers in a table of rows against cells at a time, which bounds memory (64 MiB)."""


@dataclass(frozen=True)
class BankRule:
    """How banks change."""

    budget: int = 300_000
    """Rows of all banks of a video together."""
    update_rate: float = 0.1
    """Weight of new vectors in the row that they are merged into."""
    merge_threshold: float = 0.95
    """Cosine of keys above which a new vector is merged."""

    def share(self, banks: int) -> float:
        """Rows of each of so many banks; of two (one object and the background) a fifth is left free (official)."""
        share = self.budget // banks
        return 0.8 * share if banks == 2 else share


class FeatureBank:
    """Keys and values of one channel as rows, with the frame that each came on and how much it was used since.

    A bank holds at most `share` rows, except where one frame alone has more cells.
    """

    def __init__(self, key: Tensor, value: Tensor, frame: int) -> None:
        """Begin with all cells of a frame. key: 128 x hw. value: 512 x hw."""
        self._keys, self._values, self._info = (Rows(in_place=True) for _ in range(3))
        self._count = 0
        self._append(key.t(), value.t(), frame)

    def __len__(self) -> int:
        return self._count

    @property
    def keys(self) -> Tensor:
        """n x 128, to be changed in place."""
        return self._keys.upto(self._count)[0]

    @property
    def values(self) -> Tensor:
        """n x 512, to be changed in place."""
        return self._values.upto(self._count)[0]

    @property
    def info(self) -> Tensor:
        """n x 2: number of the frame, use; to be changed in place."""
        return self._info.upto(self._count)[0]

    def read(self, key: Tensor) -> Tensor:
        """Query keys 128 x hw -> readout 512 x hw; the rows that were read are counted as used."""
        query = key.t() / math.sqrt(len(key))
        counts = key.new_zeros(self._count)
        found = []
        for cells in query.split(max(1, BLOCK // max(1, self._count))):
            weights = torch.softmax(cells @ self.keys.t(), 1)
            counts += (weights > COUNTED).sum(0)
            found.append(weights @ self.values)
        self.info[:, 1] += torch.log(counts + 1)
        return torch.cat(found).t()

    def update(self, key: Tensor, value: Tensor, frame: int, rule: BankRule, share: float) -> None:
        """Merge the cells of a frame that are like a row into it, and append the others.

        key: 128 x hw. value: 512 x hw. frame: later than that of any row.
        """
        key, value = key.t(), value.t()
        directions = unit(key)
        row, likeness = self._nearest(directions)
        like = likeness > rule.merge_threshold
        if bool(like.any()):
            hit, index, counts = row[like].unique(return_inverse=True, return_counts=True)
            for table, new in ((self.keys, directions[like]), (self.values, unit(value[like]))):
                mean = new.new_zeros(len(hit), new.shape[1]).index_add_(0, index, new) / counts[:, None]
                old = table[hit]
                merged = (1 - rule.update_rate) * unit(old) + rule.update_rate * mean
                table[hit] = torch.linalg.vector_norm(old, dim=1, keepdim=True) * merged
        others = ~like
        number = int(others.sum())
        if share < self._count + number:
            self._remove(number, frame, share)
        self._append(key[others], value[others], frame)
        self.info[:, 1].clamp_(0, MOST_USE)

    def _nearest(self, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Of each unit vector, hw x 128, the row whose key is nearest (the first of equal ones), and the cosine."""
        if not self._count:
            nowhere = directions.new_full((len(directions),), -torch.inf)
            return torch.zeros_like(nowhere, dtype=torch.long), nowhere
        keys = unit(self.keys).t()
        best = [(cells @ keys).max(1) for cells in directions.split(max(1, BLOCK // self._count))]
        return torch.cat([found.indices for found in best]), torch.cat([found.values for found in best])

    def _remove(self, number: int, frame: int, share: float) -> None:
        """Make room for `number` rows: those used least per frame go, whole integer levels at a time.

        One level goes at least. Where even an empty bank has no room, all go (the official code stops there).
        """
        rate = self.info[:, 1] / (frame - self.info[:, 0])
        kept = torch.arange(self._count, device=rate.device)
        while len(kept):
            kept = kept[rate[kept] > int(rate[kept].min()) + 1]
            if share - len(kept) - number >= 0:
                break
        for table, rows in ((self._keys, self.keys), (self._values, self.values), (self._info, self.info)):
            table.write(rows[kept][None], 0)
        self._count = len(kept)

    def _append(self, keys: Tensor, values: Tensor, frame: int) -> None:
        info = keys.new_zeros(len(keys), 2)
        info[:, 0] = frame
        for table, rows in ((self._keys, keys), (self._values, values), (self._info, info)):
            table.write(rows[None], self._count)
        self._count += len(keys)


def unit(x: Tensor) -> Tensor:
    """Rows over their lengths; zeros stay."""
    length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / length.clamp(min=1e-12)
