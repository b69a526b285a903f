"""A memory bank: keys and values of past frames as rows, read by similarity to the keys of the current frame."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Similarity = Literal["dot", "l2"]


class Bank(Protocol):
    """Memory of a group of objects that came on the same frame."""

    def add(self, key: Tensor, value: Tensor, temporary: bool, reference: bool = False) -> None:
        """Remember a frame.

        key: 1 x C x h x w for all objects, or k x C x h x w. value: k x D x h x w. temporary: only until the next
        call. reference: a frame with a given mask, never dropped.
        """
        ...

    def read(self, key: Tensor) -> Tensor:
        """Query keys 1 x C x h x w -> readout k x D x h x w."""
        ...


class Rows:
    """A growing table g x n x width, of which the last frame may be replaced without a copy of the rest.

    Without gradients it is one store that is written in place. From the first rows with gradients on it is a list of
    pieces, so that what an earlier frame read stays as it was; they are joined when they are read. in_place: always the
    store, for a table whose rows are changed in place and pass no gradient.
    """

    def __init__(self, in_place: bool = False) -> None:
        self._in_place = in_place
        self._store: Tensor | None = None
        self._pieces: list[Tensor] = []
        self._filled = 0
        """Rows written, of the store or of all pieces."""

    def write(self, rows: Tensor, start: int) -> None:
        """Put rows g x m x width at `start`; the store doubles when it is full."""
        end = start + rows.shape[1]
        if self._pieces or (torch.is_grad_enabled() and not self._in_place):
            self._pieces = [*self._cut(0, start), rows, *self._cut(end, self._filled)]
            self._store, self._filled = None, max(end, self._filled)
            return
        if self._store is None:
            self._store = rows.clone()
        elif end > self._store.shape[1]:
            grown = rows.new_empty(rows.shape[0], max(end, 2 * self._store.shape[1]), rows.shape[2])
            grown[:, :start] = self._store[:, :start]
            self._store = grown
        self._store[:, start:end] = rows
        self._filled = max(end, self._filled)

    def remove(self, start: int, count: int, end: int) -> None:
        """Take `count` rows out at `start`; those up to `end` move up."""
        if self._pieces:
            self._pieces = [*self._cut(0, start), *self._cut(start + count, end)]
            self._filled = end - count
        elif self._store is not None:
            self._store[:, start : end - count] = self._store[:, start + count : end].clone()
            self._filled = end - count

    def upto(self, end: int) -> Tensor:
        """The first `end` rows."""
        if self._store is not None:
            return self._store[:, :end]
        found = self._cut(0, end)
        if not found:
            raise RuntimeError("an empty memory was read")
        return found[0] if len(found) == 1 else torch.cat(found, 1)

    def _cut(self, start: int, end: int) -> list[Tensor]:
        """Rows `start` to `end` in pieces."""
        found, at = [], 0
        for piece in self._pieces if self._store is None else [self._store[:, : self._filled]]:
            first, beyond = max(start - at, 0), min(end - at, piece.shape[1])
            if first < beyond:
                whole = first == 0 and beyond == piece.shape[1]
                found.append(piece if whole else piece[:, first:beyond])
            at += piece.shape[1]
        return found


class FrameBank:
    """Every remembered frame whole, as STM, STCN and MiVOS do.

    similarity: "dot" (STM) or "l2", the negative squared distance (STCN), both over the square root of the key's
    width. top_k: only so many most similar rows count for a pixel; None: all. max_frames: bound on remembered frames;
    references stay, of the others the oldest is dropped. Matching is always done in float32,
    because the l2 similarity leaves the range of half precision.
    """

    def __init__(self, similarity: Similarity = "l2", top_k: int | None = 20, max_frames: int | None = None) -> None:
        self.similarity, self.top_k, self.max_frames = similarity, top_k, max_frames
        self.frames = 0
        """Frames remembered for good."""
        self._temporary = False
        self._rows = 0
        self._objects = 0
        self._keys, self._squares, self._values = Rows(), Rows(), Rows()
        self._droppable: deque[int] = deque()

    def add(
        self, key: Tensor, value: Tensor, temporary: bool, reference: bool = False, instead: int | None = None
    ) -> None:
        """Remember a frame (`Bank.add`). instead: position of the remembered frame that this one replaces."""
        self._objects = len(value)
        self._rows = key.shape[-2] * key.shape[-1]
        slot = self.frames if instead is None else instead
        if not temporary and instead is None:
            if self.max_frames is not None and self.frames >= self.max_frames and self._droppable:
                slot = self._droppable.popleft()
            else:
                self.frames += 1
            if not reference:
                self._droppable.append(slot)
        self._temporary = temporary
        keys = key.float().flatten(2).transpose(1, 2)
        values = value.float().flatten(2).transpose(1, 2)
        if len(keys) == 1:  # one key for all objects: their values lie side by side
            values = values.permute(1, 0, 2).flatten(1)[None]
        self._keys.write(keys, slot * self._rows)
        self._values.write(values, slot * self._rows)
        if self.similarity == "l2":
            self._squares.write(keys.square().sum(2, keepdim=True), slot * self._rows)

    @property
    def rows(self) -> int:
        """Rows that a query is compared with."""
        return (self.frames + self._temporary) * self._rows

    def read(self, key: Tensor) -> Tensor:
        """Query keys 1 x C x h x w -> readout k x D x h x w."""
        end = self.rows
        with torch.autocast(key.device.type, enabled=False):
            query = key.float().flatten(2)[0].t() / math.sqrt(key.shape[1])
            keys, values = self._keys.upto(end), self._values.upto(end)
            found = []
            for i in range(len(keys)):
                if self.similarity == "l2":
                    penalty = self._squares.upto(end)[i, :, 0] / -math.sqrt(key.shape[1])
                    scores = torch.addmm(penalty, query, keys[i].t(), alpha=2)
                else:
                    scores = query @ keys[i].t()
                found.append(weighted_rows(scores, values[i], self.top_k))
            # g x hw x (k/g * D) -> k x D x h x w
            read = torch.stack(found).unflatten(2, (self._objects // len(keys), -1))
        out: Tensor = read.permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, key.shape[-2:])
        return out


def weighted_rows(scores: Tensor, values: Tensor, top_k: int | None) -> Tensor:
    """Softmax over each row's `top_k` best scores, and the sum of values with these weights.

    scores: m x n, is overwritten. values: n x D. A top_k beyond n means all. Returns m x D.
    """
    if top_k is None or top_k >= scores.shape[1]:
        return torch.softmax(scores, 1) @ values
    best, chosen = scores.topk(top_k, dim=1, sorted=False)
    return F.embedding_bag(chosen, values, per_sample_weights=torch.softmax(best, 1), mode="sum")
