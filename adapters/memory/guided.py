"""HMMN's memory: a coarse read with Gaussians that follow motion, and fine reads of the cells that it found best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .bank import Rows
from .motion import Tracks, blocks_of, exponents, moved


def to_cells(x: Tensor, size: tuple[int, int]) -> Tensor:
    """N x C x (h s) x (w s) -> N x (h w) x (s s) x C: the pixels of each cell."""
    side = x.shape[-1] // size[1]
    x = x.unflatten(2, (size[0], side)).unflatten(4, (size[1], side))
    cells: Tensor = x.permute(0, 2, 4, 3, 5, 1).reshape(len(x), size[0] * size[1], side * side, -1)
    return cells


def from_cells(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo `to_cells`."""
    side = math.isqrt(cells.shape[2])
    x = cells.unflatten(2, (side, side)).unflatten(1, size)
    out: Tensor = x.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
    return out


class FineMemory:
    """First and previous frame at a finer stride, by coarse cell."""

    def __init__(self) -> None:
        self._keys: Tensor | None = None
        self._values: Tensor | None = None
        self.frames = 0

    def add(self, key: Tensor, value: Tensor, size: tuple[int, int]) -> None:
        """Remember a frame, key k x C x sh x sw and value k x D x sh x sw, in the place of the previous one."""
        keys, values = (to_cells(x.float(), size) for x in (key, value))
        cells = keys.shape[1]
        if torch.is_grad_enabled():  # a new table: earlier frames read the old one
            if self._keys is None or self._values is None:
                self._keys, self._values = keys, values
            else:
                self._keys = torch.cat([self._keys[:, :cells], keys], 1)
                self._values = torch.cat([self._values[:, :cells], values], 1)
            self.frames = min(2, self.frames + 1)
            return
        if self._keys is None or self._values is None:
            self._keys = keys.new_empty(len(keys), 2 * cells, *keys.shape[2:])
            self._values = values.new_empty(len(values), 2 * cells, *values.shape[2:])
        place = slice(0, cells) if self.frames == 0 else slice(cells, None)
        self._keys[:, place], self._values[:, place] = keys, values
        self.frames = min(2, self.frames + 1)

    def read(self, key: Tensor, chosen: Tensor, size: tuple[int, int]) -> Tensor:
        """Each pixel of the query reads all pixels of the memory cells that were chosen for its cell.

        key: 1 x C x sh x sw. chosen: k x hw x n cells. Returns k x D x sh x sw.
        """
        if self._keys is None or self._values is None:
            raise RuntimeError("an empty memory was read")
        queries = to_cells(key.float(), size)[0]
        scale = 1 / math.sqrt(key.shape[1])
        pixels = chosen.shape[2] * queries.shape[1]
        found = []
        for keys, values, cells in zip(self._keys, self._values, chosen):
            out = []
            for part in blocks_of(len(queries), pixels * (keys.shape[2] + values.shape[2])):
                near = cells[part].flatten()
                count = part.stop - part.start
                own = keys.index_select(0, near).view(count, pixels, -1)
                weights = torch.softmax((queries[part] @ own.transpose(1, 2)).mul_(scale), 2)
                out.append(weights @ values.index_select(0, near).view(count, pixels, -1))
            found.append(torch.cat(out))
        return from_cells(torch.stack(found), size)


class GuidedBank:
    """Memory of a group of objects (`Bank`), with keys of their own.

    take: how many cells guide the read at stride 8 and at stride 4. max_frames: bound on remembered frames; references
    stay, of the others the oldest is dropped, and the frame before is held beside them.
    """

    def __init__(self, take: tuple[int, int] = (32, 8), max_frames: int | None = None) -> None:
        self.take, self.max_frames = take, max_frames
        self.fine = (FineMemory(), FineMemory())
        self.tracks = Tracks()
        self.chosen = torch.empty(0)
        """Of the last read, k x hw x n: cells of first and previous frame, the best first."""
        self._size = (0, 0)
        self._references: list[bool] = []
        """For each frame remembered for good, oldest first, whether it is a reference."""
        self._temporary = False
        self._keys, self._values = Rows(), Rows()

    @property
    def frames(self) -> int:
        """Frames that are read."""
        return len(self._references) + self._temporary

    def add(self, key: Tensor, value: Tensor, temporary: bool, reference: bool = False) -> None:
        """Remember a frame (`Bank.add`)."""
        size = (key.shape[2], key.shape[3])
        cells = size[0] * size[1]
        if self._temporary:
            self.tracks.forget(-1)
        full = self.max_frames is not None and len(self._references) >= self.max_frames
        if full and not temporary and False in self._references:
            oldest = self._references.index(False)
            for table in (self._keys, self._values):
                table.remove(oldest * cells, cells, len(self._references) * cells)
            del self._references[oldest]
            self.tracks.forget(oldest)
        start = len(self._references) * cells
        for table, x in ((self._keys, key), (self._values, value)):
            table.write(x.float().flatten(2).transpose(1, 2), start)
        if not temporary:
            self._references.append(reference)
        self._temporary, self._size = temporary, size

    def add_fine(self, levels: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Keys and values of the same frame at stride 8 and 4."""
        for memory, (key, value) in zip(self.fine, levels, strict=True):
            memory.add(key, value, self._size)

    def read(self, key: Tensor) -> Tensor:
        """Query keys 1 x C x h x w -> coarse readout k x D x h x w; notes in `chosen` where to read finely."""
        with torch.autocast(key.device.type, enabled=False):
            cells = self._size[0] * self._size[1]
            end = self.frames * cells
            keys, values = self._keys.upto(end), self._values.upto(end)
            query = key.float().flatten(2)[0].t().contiguous()
            best = torch.stack([moved(own, query, self._size) for own in keys[:, -cells:]])
            centres = self.tracks.follow(best)
            found, chosen = zip(*(self._read(query, *each) for each in zip(keys, values, centres)))
        self.chosen = torch.stack(chosen)
        out: Tensor = torch.stack(found).transpose(1, 2).unflatten(2, self._size)
        return out

    def _read(self, query: Tensor, keys: Tensor, values: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Of one object: query hw x C, keys n x C, values n x D, centres n -> readout hw x D, chosen cells hw x k."""
        width, cells = self._size[1], len(query)
        take = min(self.take[0], min(self.frames, 2) * cells)
        readout = []
        chosen = centres.new_empty(cells, take)
        along = exponents(centres, self._size)
        for rows in blocks_of(self._size[0], width * len(keys)):
            part = slice(rows.start * width, rows.stop * width)
            weights = kernelled(query[part] @ keys.t() / math.sqrt(query.shape[1]), along[0][rows], along[1])
            readout.append(weights @ values)
            ends = weights if self.frames == 1 else torch.cat([weights[:, :cells], weights[:, -cells:]], 1)
            chosen[part] = ends.topk(take, 1).indices
        return torch.cat(readout), chosen

    def read_fine(self, level: int, key: Tensor) -> Tensor:
        """level: 0 for stride 8, 1 for stride 4. Query keys 1 x C x sh x sw -> readout k x D x sh x sw."""
        with torch.autocast(key.device.type, enabled=False):
            chosen = self.chosen[:, :, : self.take[level]].sort(2).values
            return self.fine[level].read(key, chosen, self._size)


def kernelled(scores: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Softmax of scores over memory, times Gaussians, made to sum to one again.

    scores: (r w) x n, r rows of cells. down: r x n, across: w x n: exponents of the Gaussians. Where
    every product vanishes in float32, where the official code divides 0 by 0, the same is computed from logarithms.
    """
    weights = torch.softmax(scores, 1)
    # one factor, not one per axis: where products leave the range of float32 the order of the best depends on it
    factors = (down[:, None] + across).exp_()
    if torch.is_grad_enabled():
        weights = (weights.view(factors.shape) * factors).flatten(0, 1)
    else:
        weights.view(factors.shape).mul_(factors)
    total = weights.sum(1, keepdim=True)
    empty = (total == 0)[:, 0].nonzero()[:, 0]
    weights = weights / total.masked_fill(total == 0, 1) if torch.is_grad_enabled() else weights.div_(total)
    if len(empty):
        y, x = empty // len(across), empty % len(across)
        weights = weights.index_copy(0, empty, torch.softmax(scores[empty] + down[y] + across[x], 1))
    return weights
