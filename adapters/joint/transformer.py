"""The transductive branch: attention from the current frame to the remembered ones, which attend to one another.

Keys have the length 1 and the softmax a temperature of 30, so that no score is above 30: exp(score - 30) is summed
as it is, and what a further frame adds to the attention among the remembered ones is computed alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..refiner.levels import conv3
from .learner import WIDTH

KEYS = 128
TEMPERATURE = 30.0
BLOCK = 1 << 21
"""Numbers in a table of cells against cells at a time, which bounds memory (8 MiB)."""


class Relations(nn.Module):
    """The keys of an attention; `WV` is in the checkpoints and nothing uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.WK = nn.Linear(WIDTH, KEYS)
        self.WV = nn.Linear(WIDTH, WIDTH)

    def keys(self, cells: Tensor) -> Tensor:
        """n x 512 -> n x 128, each of the length 1."""
        return F.normalize(self.WK(cells), dim=-1)


class _Encoder(nn.Module):
    def __init__(self, shared: Relations) -> None:
        super().__init__()
        self.self_attn = shared


class _Decoder(_Encoder):
    def __init__(self, shared: Relations) -> None:
        super().__init__(shared)
        self.cross_attn = Relations()


class Transformer(nn.Module):
    """Encoder of the remembered frames and decoder of the current one; both attend to themselves by the same weights.

    The names of those under `decoder` are loaded last and win where a file has two versions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.feature_adjustor = nn.Sequential(conv3(1024, WIDTH, bias=False))
        shared = Relations()
        self.encoder, self.decoder = _Encoder(shared), _Decoder(shared)

    def cells(self, layer3: Tensor) -> Tensor:
        """1 x 1024 x h x w -> hw x 512, float32."""
        x: Tensor = self.feature_adjustor(layer3)[0].float()
        return x.flatten(1).t().contiguous()

    def query(self, cells: Tensor) -> Tensor:
        """Cells hw x 512 of the current frame -> the keys by which they read the memory, hw x 128."""
        keys = self.decoder.self_attn.keys(cells)
        return self.reading_keys(cells + attended(keys, keys, cells))

    def reading_keys(self, cells: Tensor) -> Tensor:
        """Cells of one frame after attention, hw x 512 -> keys hw x 128 of the attention from frame to memory."""
        return self.decoder.cross_attn.keys(normalised(cells))


def normalised(cells: Tensor) -> Tensor:
    """Instance norm: hw x C -> each channel with mean 0 and deviation 1."""
    variance, mean = torch.var_mean(cells, 0, correction=0)
    return (cells - mean) * (variance + 1e-5).rsqrt()


def blocks(queries: Tensor, keys: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Rows of queries n x 128, and exp(score - 30) of these rows against all keys m x 128, block by block."""
    rows = max(1, BLOCK // len(keys))
    for start in range(0, len(queries), rows):
        part = slice(start, start + rows)
        scores = torch.addmm(queries.new_tensor(-TEMPERATURE), queries[part], keys.t(), alpha=TEMPERATURE)
        yield part, scores.exp_()


def attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(30 queries keys^T) values: n x 128, m x 128, m x C -> n x C."""
    return torch.cat([(table @ values) / table.sum(1, keepdim=True) for _, table in blocks(queries, keys)])


class FrameMemory:
    """Remembered frames of one object for the transformer.

    A frame takes hw (2 x 512 + 2 x 128 + 2 x 16 + 1) numbers: 7.8 MiB at 30 x 52 cells.
    """

    def __init__(self, network: Transformer) -> None:
        self.network = network
        self._cells: list[Tensor] = []
        """hw x 512 per frame, before attention."""
        self._keys: list[Tensor] = []
        """hw x 128 per frame."""
        self._sums: list[Tensor] = []
        """hw x 512 per frame: what its cells read from all frames, before division by `_totals`."""
        self._totals: list[Tensor] = []
        """hw x 1 per frame."""
        self._values: list[Tensor] = []
        """hw x 16 per frame: encoded masks."""
        self._read: tuple[Tensor, Tensor] | None = None
        """Keys and values of all frames for the current frame to read; None where frames came since they were made."""

    def __len__(self) -> int:
        return len(self._cells)

    def write(self, slot: int, cells: Tensor, labels: Tensor) -> None:
        """Put a frame into a slot: a new one (`len(self)`), or one that is given up. labels: 16 x h x w."""
        keys = self.network.encoder.self_attn.keys(cells)
        values = labels.flatten(1).t().contiguous()
        if slot < len(self):
            self._exchange(slot, -1)
            self._cells[slot], self._keys[slot], self._values[slot] = cells, keys, values
        else:
            self._cells.append(cells)
            self._keys.append(keys)
            self._values.append(values)
            self._sums.append(torch.empty(0))
            self._totals.append(torch.empty(0))
        self._sums[slot], self._totals[slot] = torch.zeros_like(cells), torch.zeros_like(cells[:, :1])
        self._exchange(slot, 1)
        self._read = None

    def _exchange(self, slot: int, sign: int) -> None:
        """Attention between the frame in a slot and every other one, added to (or taken from) the others' sums.

        Scores are the same in both directions. With the sign 1 the frame reads, too, also from itself.
        """
        keys, cells = self._keys[slot], self._cells[slot]
        for other in range(len(self)):
            if other == slot and sign < 0:
                continue
            for part, table in blocks(self._keys[other], keys):
                if other != slot:
                    self._sums[other][part].addmm_(table, cells, alpha=sign)
                    self._totals[other][part] += sign * table.sum(1, keepdim=True)
                if sign > 0:
                    self._sums[slot].addmm_(table.t(), self._cells[other][part])
                    self._totals[slot] += table.sum(0)[:, None]

    def read(self, query: Tensor) -> Tensor:
        """Keys hw x 128 of the current frame -> hw x 16."""
        if self._read is None:
            frames = zip(self._cells, self._sums, self._totals)
            keys = [self.network.reading_keys(cells + sums / totals) for cells, sums, totals in frames]
            self._read = torch.cat(keys), torch.cat(self._values)
        return attended(query, *self._read)
