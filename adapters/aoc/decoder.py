"""The segmentation heads of AOC-Net and RPCM: one decoder, calibrated by conditioning blocks or by plain gates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..cfbi_line.blocks import GCTASPP, GCTBottleneck, IAGate
from ..cfbi_line.slot_head import SlotHead
from .conditioning import ConditioningBlock, discrepancy

VECTOR = 400
"""Length of a slot's vector: four mean embeddings of 100."""


class CrossFrame(NamedTuple):
    """What the head keeps of earlier frames of a video, N x 256 x h/2 x w/2 each."""

    last: Tensor
    """ASPP output of the frame before."""
    first: Tensor
    """Output of the first modulator at the first predicted frame since the number of slots changed."""


class Decoder(SlotHead):
    """Head input N x 164 at stride 4 and backbone map at stride 4 -> logits of N slots at stride 4.

    reading: how to read AOC-Net's conditioning blocks (`conditioning.READINGS`), or None for RPCM, which has gates by
    the slot's vector in their place and nowhere looks at the other slots.
    """

    def __init__(self, reading: str | None, inputs: int = 164, low: int = 256) -> None:
        super().__init__()
        aware = reading is not None
        self.IA1 = IAGate(VECTOR, inputs)
        self.layer1 = GCTBottleneck(inputs, 256)
        for number, layer in enumerate([(256, 256, 1, 2), (256, 512, 2, 1), (512, 512, 1, 2), (512, 512, 1, 4)], 2):
            # inputs, outputs, stride, dilation; the calibration stands before the layer
            if reading is None:
                self.add_module(f"IA{number}", IAGate(VECTOR, layer[0]))
            self.add_module(f"layer{number}", GCTBottleneck(*layer))
            if reading is not None:
                self.add_module(f"CLB{number}", ConditioningBlock(layer[0], VECTOR, reading))
        self.IA9 = IAGate(VECTOR + (512 if aware else 0), 512)
        self.ASPP = GCTASPP()
        for modulator in ("M1", "M2"):
            for i, (wide, narrow) in enumerate([(512, 512), (512, 256), (256, 256)], 1):
                self.add_module(f"{modulator}_Reweight_Layer_{i}", IAGate(VECTOR, wide))
                self.add_module(f"{modulator}_Bottleneck_{i}", GCTBottleneck(wide, narrow))
        self.add_head(VECTOR, low, aware)

    def _layer(self, number: int, x: Tensor, vector: Tensor) -> Tensor:
        layer: GCTBottleneck = self.get_submodule(f"layer{number}")  # type: ignore[assignment]
        gate: ConditioningBlock | IAGate = self.get_submodule(  # type: ignore[assignment]
            f"CLB{number}" if self.aware else f"IA{number}"
        )
        out: Tensor = layer(x, gate.factor(x, vector) if isinstance(gate, ConditioningBlock) else gate.factor(vector))
        return out

    def _modulate(self, name: str, x: Tensor, vector: Tensor) -> Tensor:
        for i in (1, 2, 3):
            gate: IAGate = self.get_submodule(f"{name}_Reweight_Layer_{i}")  # type: ignore[assignment]
            x = self.get_submodule(f"{name}_Bottleneck_{i}")(x, gate.factor(vector))
        return x

    def forward(
        self, x: Tensor, low: Tensor, vector: Tensor, memory: CrossFrame | None = None
    ) -> tuple[Tensor, CrossFrame]:
        """Logits N x h x w and what to hand back as `memory` at the next frame.

        x: N x 164 x h x w. low: 1 x 256 x h x w. vector: N x 400. memory: of the frame before; where its shape does
        not fit (no memory yet, another number of slots), this frame's own maps stand in.
        """
        if low.stride(1) == 1:
            x = x.contiguous(memory_format=torch.channels_last)
        early = x = self._layer(2, self.layer1(x, self.IA1.factor(vector)), vector)
        for number in (3, 4, 5):
            x = self._layer(number, x, vector)
        pooled = self.ASPP(self.IA9(x, torch.cat([vector, discrepancy(x)], 1) if self.aware else vector))
        known = memory if memory is not None and memory.last.shape == pooled.shape else None
        x = self._modulate("M1", torch.cat([pooled, pooled if known is None else known.last], 1), vector)
        first = x if known is None else known.first
        x = self._modulate("M2", torch.cat([x, first], 1), vector)
        return self.decode(x, low, early, vector), CrossFrame(pooled, first)
