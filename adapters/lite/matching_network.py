"""The network that `aoc.lite` and `cfbi.lite` share: it matches a frame with the references and the frame before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cfbi_line.maps import background_maps, distance_maps, slot_biases
from .cells import owned, shares
from .distances import global_distances, local_distances
from .network import UNCERTAIN, LiteNetwork
from .trunk import Maps, PixelEmbedding, Trunk

EMBEDDING = 48
"""Channels of the embedding (the papers: 100)."""
WINDOWS = (2, 4, 8)
"""Radii of local matching in cells of eight pixels (the papers: 2, 4 .. 12)."""
EPS = 1e-5


class Described(NamedTuple):
    """What the network keeps of frames alone."""

    embedding: Tensor
    """B x 48 x h x w at stride 8, all values >= 0, float32."""
    low: Tensor
    """B x 24 x H/4 x W/4, the encoder's map at stride 4."""


@dataclass
class Reference:
    """One remembered frame."""

    embedding: Tensor
    """B x C x h x w."""
    share: Tensor
    """B x slots x h x w, share of each slot in the cell; slots that came later are missing."""
    mine: Tensor
    """Bool of the same shape: the cells that stand for a slot."""
    given: bool


@dataclass
class Matched:
    """Memory of a video (or of a batch of clips)."""

    limit: int | None = None
    references: list[Reference] = field(default_factory=list)
    previous: Reference | None = None
    carried: tuple[Tensor, Tensor] | None = None
    """What AOC-Net's head hands to the next frame."""
    version: int = 0
    """Raised whenever `references` changes."""
    cached: tuple[tuple[int, int], Tensor, Tensor] | None = None
    """((version, slots), proxies, which of them exist), so that clusters are made once per reference."""


def widened(mask: Tensor, slots: int) -> Tensor:
    """B x n x h x w with empty slots appended up to `slots`."""
    return F.pad(mask, (0, 0, 0, 0, 0, slots - mask.shape[1])) if mask.shape[1] < slots else mask


class Pool(NamedTuple):
    """All reference cells side by side."""

    rows: Tensor
    """B x C x R."""
    mine: Tensor
    """Bool B x slots x R."""


def masked_means(rows: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Mean embeddings inside and outside every slot, B x slots x C each; rows B x C x R, share B x slots x R."""
    inside = torch.einsum("bcr,bnr->bnc", rows, share)
    count = share.sum(2, keepdim=True)
    outside = rows.sum(2)[:, None] - inside
    return inside / (count + EPS), outside / ((rows.shape[2] - count).clamp_min(0) + EPS)


def described(features: Described, labels: Tensor, slots: int, given: bool) -> Reference:
    """A frame under its labels."""
    share = shares(labels, slots, 8)
    return Reference(features.embedding, share, owned(share), given)


class MatchedNetwork(LiteNetwork):
    """Embedding and matching; subclasses add maps and a head in `read`."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.embed = PixelEmbedding(EMBEDDING)
        self.bg_bias = nn.Parameter(torch.zeros(1))
        self.fg_bias = nn.Parameter(torch.zeros(1))

    def describe(self, maps: Maps) -> Described:
        """Embedding at stride 8 and the map at stride 4."""
        return Described(self.embed(maps).float().contiguous(), maps.s4.contiguous())

    def part(self, features: Described, chosen: slice) -> Described:
        """Some samples of a batch."""
        return Described(features.embedding[chosen], features.low[chosen])

    def memory(self, limit: int | None = None) -> Matched:
        """No reference and no frame before."""
        return Matched(limit)

    def remember(
        self,
        features: Described,
        memory: Matched,
        labels: Tensor,
        slots: int,
        reference: bool,
        given: bool,
        uncertain: Tensor | None = None,
    ) -> None:
        """Store the frame as the previous one and, if asked or given, as a reference; an old predicted one may go."""
        memory.previous = kept = described(features, labels, slots, given)
        if not (reference or given):
            return
        if uncertain is not None:
            kept = described(features, labels.masked_fill(uncertain, UNCERTAIN), slots, given)
        memory.references.append(kept)
        memory.version += 1
        predicted = [r for r in memory.references if not r.given]
        if memory.limit is not None and len(memory.references) > memory.limit and predicted:
            memory.references = [r for r in memory.references if r is not predicted[0]]

    def pool(self, memory: Matched, slots: int) -> Pool:
        """The reference cells of all slots."""
        return Pool(
            torch.cat([r.embedding.flatten(2) for r in memory.references], 2),
            torch.cat([widened(r.mine, slots).flatten(2) for r in memory.references], 2),
        )

    def biases(self, slots: int) -> Tensor:
        """The learnt bias of every slot's maps, (slots,)."""
        return slot_biases(self.bg_bias, self.fg_bias, slots)

    def maps_of(self, distances: Tensor) -> Tensor:
        """Squared distances B x slots x ... -> maps of the same shape."""
        return distance_maps(distances.transpose(0, 1), self.biases(distances.shape[1])).transpose(0, 1)

    def matched(self, features: Described, memory: Matched, pool: Pool, slots: int) -> tuple[Tensor, Tensor]:
        """Global maps B x slots x 1 x h x w and local ones B x slots x windows x h x w."""
        assert memory.previous is not None
        before = memory.previous
        everywhere = self.maps_of(global_distances(features.embedding, pool.rows, pool.mine))[:, :, None]
        nearby = local_distances(features.embedding, before.embedding, widened(before.mine, slots), WINDOWS)
        return everywhere, self.maps_of(nearby)

    def segment(self, features: Described, memory: Matched, slots: int) -> Tensor:
        """Logits B x slots x h x w at stride 4, from matching with the references and with the frame before."""
        assert memory.previous is not None
        pool = self.pool(memory, slots)
        before = memory.previous
        share = widened(before.share, slots)
        with torch.autocast(features.embedding.device.type, enabled=False):  # half precision would lose distances
            everywhere, nearby = self.matched(features, memory, pool, slots)
            referenced = masked_means(pool.rows, pool.mine.float())
            recent = masked_means(before.embedding.flatten(2), share.flatten(2))
            vector = torch.cat([*referenced, *recent], 2).flatten(0, 1)
            more = self.more_maps(features, memory, pool, slots, referenced[0], recent[0])
            maps = [everywhere, *more, nearby, share[:, :, None], others(nearby), others(everywhere)]
            joined = torch.cat(maps, 2).flatten(0, 1)
        return self.read(features, memory, joined, vector, slots)

    def more_maps(
        self,
        features: Described,
        memory: Matched,
        pool: Pool,
        slots: int,
        reference_means: Tensor,
        previous_means: Tensor,
    ) -> list[Tensor]:
        """Further maps of the family, B x slots x n x h x w each."""
        return []

    def read(self, features: Described, memory: Matched, maps: Tensor, vector: Tensor, slots: int) -> Tensor:
        """The head: maps (B slots) x n x h x w and vectors (B slots) x 4 C -> logits B x slots x h x w at stride 4."""
        raise NotImplementedError


def others(maps: Tensor) -> Tensor:
    """For every slot the least of the other slots' maps, B x slots x ... ."""
    return background_maps(maps.transpose(0, 1)).transpose(0, 1)


def per_slot(x: Tensor, slots: int) -> Tensor:
    """B x C x h x w -> (B slots) x C x h x w, the same map for every slot of a sample."""
    return x.repeat_interleave(slots, 0)
