"""XMem's working and long-term memory of a group of objects."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Limits:
    """Sizes of the two memories."""

    long_term: bool = True
    max_frames: int = 10
    """The working memory is consolidated when it reaches this many frames (T_max)."""
    min_frames: int = 5
    """Frames that stay, the first one among them (T_min)."""
    max_elements: int = 10000
    """Bound of the long-term memory (LT_max)."""
    prototypes: int = 128
    """Elements that each consolidation makes (P)."""


class Elements:
    """Rows of memory: keys n x C, shrinkage n, values k x n x D, usage and life n; selection only while working."""

    def __init__(self, key: Tensor, selection: Tensor | None, shrinkage: Tensor, value: Tensor) -> None:
        self.key, self.selection, self.shrinkage, self.value = key, selection, shrinkage, value
        self.use = torch.zeros_like(shrinkage)
        self.life = torch.full_like(shrinkage, 1e-7)

    def __len__(self) -> int:
        return len(self.key)

    @property
    def usage(self) -> Tensor:
        """Mean weight of each row over the reads of its life."""
        return self.use / self.life

    def rows(self, which: slice | Tensor) -> Elements:
        """Some of the rows."""
        selection = None if self.selection is None else self.selection[which]
        found = Elements(self.key[which], selection, self.shrinkage[which], self.value[:, which])
        found.use, found.life = self.use[which], self.life[which]
        return found

    def join(self, other: Elements) -> Elements:
        """These rows, then the other's."""
        selection = None
        if self.selection is not None and other.selection is not None:
            selection = torch.cat([self.selection, other.selection])
        joined = Elements(
            torch.cat([self.key, other.key]),
            selection,
            torch.cat([self.shrinkage, other.shrinkage]),
            torch.cat([self.value, other.value], 1),
        )
        joined.use, joined.life = torch.cat([self.use, other.use]), torch.cat([self.life, other.life])
        return joined

    def count(self, use: Tensor) -> None:
        """Note one read, with the weight each row had in it; it decides which rows stay, and passes no gradient."""
        self.use = self.use + use.detach()
        self.life = self.life + 1


def similarity(query: Tensor, selection: Tensor, key: Tensor, shrinkage: Tensor) -> Tensor:
    """Anisotropic negative squared distance: query and selection m x C, key n x C, shrinkage n -> m x n."""
    chosen = query * selection
    scores = torch.addmm((chosen * query).sum(1, keepdim=True), chosen, key.t(), beta=-1, alpha=2)
    scores = scores - selection @ key.square().t()
    return scores * (shrinkage / math.sqrt(key.shape[1]))


class LongTermBank:
    """Working memory of whole frames, consolidated into prototypes by usage (XMem, section 3.3).

    Each group of objects has one, where the official code shares keys between groups: before the first consolidation
    the two are equal; afterwards the official code pairs the first values of later groups with keys of frame 0, and
    raises an error once its long-term memory is full.
    """

    def __init__(self, limits: Limits, top_k: int | None, key_width: int) -> None:
        self.limits, self.top_k, self.key_width = limits, top_k, key_width
        self.working: Elements | None = None
        self.long: Elements | None = None

    def _unpack(self, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = key.float().flatten(2)[0].t()
        return rows[:, : self.key_width], rows[:, self.key_width : -1], rows[:, -1]

    def add(self, key: Tensor, value: Tensor, temporary: bool = False, reference: bool = False) -> None:
        """Remember a frame (`Bank.add`); key 1 x (2 C + 1) x h x w holds key, selection and shrinkage."""
        own, selection, shrinkage = self._unpack(key)
        new = Elements(own, selection, shrinkage, value.float().flatten(2).transpose(1, 2))
        cells = len(own)
        self.working = new if self.working is None else self.working.join(new)
        limits = self.limits
        if limits.long_term and len(self.working) >= limits.max_frames * cells:
            self._forget()
            self._consolidate(self.working, cells)

    def read(self, key: Tensor) -> Tensor:
        """Query keys 1 x (2 C + 1) x h x w -> readout k x D x h x w."""
        if self.working is None:
            raise RuntimeError("an empty memory was read")
        with torch.autocast(key.device.type, enabled=False):
            query, selection, _ = self._unpack(key)
            every = self.working if self.long is None else self.long.join(self.working)
            scores = similarity(query, selection, every.key, every.shrinkage)
            if self.top_k is None or self.top_k >= len(every):
                weights = torch.softmax(scores, 1)
                use, read = weights.sum(0), weights @ every.value
            else:
                best, chosen = scores.topk(self.top_k, dim=1, sorted=False)
                weights = torch.softmax(best, 1)
                use = scores.new_zeros(len(every)).index_add_(0, chosen.flatten(), weights.flatten())
                # A few rows of each value: sums of them, not a product with a matrix that is nearly all zeros.
                sums = [F.embedding_bag(chosen, v, per_sample_weights=weights, mode="sum") for v in every.value]
                read = torch.stack(sums)
            if self.limits.long_term:
                if self.long is not None:
                    self.long.count(use[: len(self.long)])
                self.working.count(use[-len(self.working) :])
        out: Tensor = read.transpose(1, 2).unflatten(2, key.shape[-2:])
        return out

    def _forget(self) -> None:
        """Make room for the next prototypes: the least used go."""
        room = self.limits.max_elements - self.limits.prototypes
        if self.long is not None and len(self.long) >= room and len(self.long) > room:
            usage = self.long.usage
            bound = usage.topk(len(usage) - room, largest=False).values[-1]
            self.long = self.long.rows(usage > bound)

    def _consolidate(self, working: Elements, cells: int) -> None:
        """Frames between the first and the newest become prototypes."""
        end = len(working) - (self.limits.min_frames - 1) * cells
        old = working.rows(slice(cells, end))
        _, best = old.usage.topk(min(self.limits.prototypes, len(old)))
        selection = old.selection
        if selection is None:
            raise RuntimeError("the working memory lost its selection")
        weights = torch.softmax(similarity(old.key[best], selection[best], old.key, old.shrinkage), 1)
        new = Elements(old.key[best], None, weights @ old.shrinkage, weights @ old.value)
        self.long = new if self.long is None else self.long.join(new)
        self.working = working.rows(slice(0, cells)).join(working.rows(slice(end, None)))
