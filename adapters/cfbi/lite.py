"""CFBI at reduced width on a light encoder: ours, not the paper's network, and not loadable from its checkpoints.

Kept from the paper: foreground and background are matched alike, globally against the given frames and locally in
nested windows of the frame before; the frame before enters inside and outside every mask; vectors of mean embeddings
gate the collaborative ensembler and make its last layer. Changed: stride 8 instead of 4 for matching, fewer channels
and layers, windows of 2, 4 and 8 cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cfbi_line.blocks import GCTBottleneck, IAGate, PreHead
from ..lite.blocks import ASPP, GROUPS, Finish
from ..lite.matching_network import (
    EMBEDDING,
    WINDOWS,
    Described,
    Matched,
    MatchedNetwork,
    per_slot,
    widened,
)

VECTOR = 4 * EMBEDDING
WIDE, DEEP, READ = 96, 192, 48
"""Channels at stride 8, at stride 16, and of the matching maps after `prehead`."""
MAPS = 1 + len(WINDOWS) + 1 + len(WINDOWS) + 1


class Ensembler(nn.Module):
    """Gated bottlenecks over strides 8 and 16, pyramid, dynamic output layers."""

    def __init__(self, inputs: int, low: int) -> None:
        super().__init__()
        shapes = ((inputs, WIDE, 1, 1), (WIDE, WIDE, 1, 2), (WIDE, DEEP, 2, 1), (DEEP, DEEP, 1, 2), (DEEP, DEEP, 1, 4))
        self.gates = nn.ModuleList(IAGate(VECTOR, shape[0]) for shape in shapes)
        self.layers = nn.ModuleList(GCTBottleneck(*shape, GROUPS) for shape in shapes)
        self.IA9 = IAGate(VECTOR, DEEP)
        self.ASPP = ASPP(DEEP, WIDE)
        self.finish = Finish(WIDE, WIDE, low, VECTOR, aware=False)

    def forward(self, x: Tensor, low: Tensor, vector: Tensor, slots: int) -> Tensor:
        """Logits B x slots x h x w at stride 4; x (B slots) x C at stride 8, low B x C, vector (B slots) x V."""
        early = x
        for i, (gate, layer) in enumerate(zip(self.gates, self.layers)):
            x = layer(x, gate.factor(vector))  # type: ignore[operator]
            if i == 1:
                early = x
        return self.finish(self.ASPP(self.IA9(x, vector)), early, low, vector, slots)  # type: ignore[no-any-return]


class CFBILite(MatchedNetwork):
    """The network of `cfbi.lite`."""

    def __init__(self) -> None:
        super().__init__()
        self.prehead = PreHead(MAPS, READ)
        self.ensembler = Ensembler(3 * EMBEDDING + READ, 24)

    def read(self, features: Described, memory: Matched, maps: Tensor, vector: Tensor, slots: int) -> Tensor:
        """Logits B x slots x h x w at stride 4: the frame before enters inside and outside every mask."""
        assert memory.previous is not None
        before = memory.previous.embedding[:, None]
        share = widened(memory.previous.share, slots)[:, :, None]
        inside = (before * share).flatten(0, 1)
        outside = (before * (1 - share)).flatten(0, 1)
        x = torch.cat([per_slot(features.embedding, slots), inside, outside, self.prehead(maps)], 1)
        return self.ensembler(x, features.low, vector, slots)  # type: ignore[no-any-return]
