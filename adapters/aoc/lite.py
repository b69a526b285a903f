"""AOC-Net at reduced width on a light encoder: ours, not the paper's network, and not loadable from its checkpoints.

Kept from the paper: matching at pixel, proxy and object level, adaptive proxies (cluster centres of the reference
cells), progressive calibration by conditioning blocks that see the other objects, modulators that carry the frame
before and the first prediction along, memory frames without their uncertain pixels. Changed: stride 8 instead of 4
for matching and 16 instead of 8 for the deep head, fewer channels, eight proxies instead of sixteen, windows of 2, 4
and 8 cells, and each kind of proxy map once: the published two differ only by an error of the index.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cfbi_line.blocks import GCTBottleneck, IAGate, PreHead
from ..cfbi_line.nearest import FAR
from ..lite.blocks import ASPP, GROUPS, Finish, discrepancy
from ..lite.clusters import clustered
from ..lite.distances import global_distances, near
from ..lite.matching_network import (
    EMBEDDING,
    WINDOWS,
    Described,
    Matched,
    MatchedNetwork,
    Pool,
    per_slot,
    widened,
)
from .conditioning import ConditioningBlock

VECTOR = 4 * EMBEDDING
WIDE, DEEP, READ = 96, 160, 48
"""Channels at stride 8, at stride 16, and of the matching maps after `prehead`."""
PROXIES = 8
MAPS = 3 + 2 * len(WINDOWS) + 1 + len(WINDOWS) + 1


class Conditioning(ConditioningBlock):
    """The paper's block over batches: the other slots are those of the same sample."""

    def calibrate(self, x: Tensor, vector: Tensor, slots: int) -> Tensor:
        """The factor of each channel, (B slots) x C x 1 x 1."""
        own, rest = self.CL_1(x), self.CL_2.vector(discrepancy(x, slots))
        code = self.mlp_layer(torch.cat([own, rest, self.CL_3.vector(vector)], 1))
        return (1 + torch.tanh(code))[:, :, None, None]


class Head(nn.Module):
    """The calibrated decoder."""

    def __init__(self, inputs: int, low: int) -> None:
        super().__init__()
        self.IA1 = IAGate(VECTOR, inputs)
        self.layer1 = GCTBottleneck(inputs, WIDE, groups=GROUPS)
        self.CLB2 = Conditioning(WIDE, VECTOR)
        self.layer2 = GCTBottleneck(WIDE, WIDE, 1, 2, GROUPS)
        self.CLB3 = Conditioning(WIDE, VECTOR)
        self.layer3 = GCTBottleneck(WIDE, DEEP, 2, 1, GROUPS)
        self.CLB4 = Conditioning(DEEP, VECTOR)
        self.layer4 = GCTBottleneck(DEEP, DEEP, 1, 2, GROUPS)
        self.IA9 = IAGate(VECTOR + DEEP, DEEP)
        self.ASPP = ASPP(DEEP, WIDE)
        self.M1_gate = IAGate(VECTOR, 2 * WIDE)
        self.M1 = GCTBottleneck(2 * WIDE, WIDE, groups=GROUPS)
        self.M2_gate = IAGate(VECTOR, 2 * WIDE)
        self.M2 = GCTBottleneck(2 * WIDE, WIDE, groups=GROUPS)
        self.finish = Finish(WIDE, WIDE, low, VECTOR, aware=True)

    def forward(
        self, x: Tensor, low: Tensor, vector: Tensor, slots: int, carried: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits B x slots x h x w at stride 4, and what to hand back as `carried` at the next frame."""
        x = self.layer1(x, self.IA1.factor(vector))
        early = x = self.layer2(x, self.CLB2.calibrate(x, vector, slots))
        x = self.layer3(x, self.CLB3.calibrate(x, vector, slots))
        x = self.layer4(x, self.CLB4.calibrate(x, vector, slots))
        pooled = self.ASPP(self.IA9(x, torch.cat([vector, discrepancy(x, slots)], 1)))
        known = carried if carried is not None and carried[0].shape == pooled.shape else None
        x = self.M1(torch.cat([pooled, pooled if known is None else known[0]], 1), self.M1_gate.factor(vector))
        first = x if known is None else known[1]
        x = self.M2(torch.cat([x, first], 1), self.M2_gate.factor(vector))
        return self.finish(x, early, low, vector, slots), (pooled, first)


class AOCLite(MatchedNetwork):
    """The network of `aoc.lite`."""

    keeps_predictions = True

    def __init__(self) -> None:
        super().__init__()
        self.prehead = PreHead(MAPS, READ)
        self.head = Head(EMBEDDING + READ, 24)

    def proxies(self, memory: Matched, pool: Pool, slots: int) -> tuple[Tensor, Tensor]:
        """Cluster centres B x C x (slots PROXIES), and which of them stand for a slot, bool B x slots x (..)."""
        key = (memory.version, slots)
        if memory.cached is None or memory.cached[0] != key:
            centres, filled = clustered(pool.rows, pool.mine, PROXIES)
            memory.cached = (key, centres, filled)
        return memory.cached[1], memory.cached[2]

    def more_maps(
        self,
        features: Described,
        memory: Matched,
        pool: Pool,
        slots: int,
        reference_means: Tensor,
        previous_means: Tensor,
    ) -> list[Tensor]:
        """Maps of cluster proxies, of object proxies, and of object proxies in windows."""
        assert memory.previous is not None
        centres, filled = self.proxies(memory, pool, slots)
        clusters = self.maps_of(global_distances(features.embedding, centres, filled))
        exists = pool.mine.any(2)
        own = torch.eye(slots, dtype=torch.bool, device=exists.device) & exists[:, None]
        objects = self.maps_of(global_distances(features.embedding, reference_means.transpose(1, 2), own))
        # in windows, every cell of the frame before stands for the mean of its slot: one distance, where one is near
        before = widened(memory.previous.mine, slots)
        recent = global_distances(features.embedding, previous_means.transpose(1, 2), own)
        reached = torch.stack([near(before, radius) for radius in WINDOWS], 2)
        nearby = self.maps_of(torch.where(reached, recent[:, :, None], FAR))
        return [clusters[:, :, None], objects[:, :, None], nearby]

    def read(self, features: Described, memory: Matched, maps: Tensor, vector: Tensor, slots: int) -> Tensor:
        """Logits B x slots x h x w at stride 4; the head also hands maps to the next frame."""
        x = torch.cat([per_slot(features.embedding, slots), self.prehead(maps)], 1)
        logits: Tensor
        logits, memory.carried = self.head(x, features.low, vector, slots, memory.carried)
        return logits
