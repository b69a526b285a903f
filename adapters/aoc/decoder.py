"""The segmentation heads of AOC-Net and RPCM: one decoder, calibrated by conditioning blocks or by plain gates."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from robust_vos_bench.adapters.aoc.conditioning import ConditioningBlock, discrepancy
from robust_vos_bench.adapters.kit.gct import (
    GCT,
    GCTASPP,
    GCTBottleneck,
    GroupNorm,
    IAGate,
    channel_squares,
    scaled_conv,
    scaled_product,
)
from torch import Tensor, nn

VECTOR = 400
"""Length of a slot's vector: four mean embeddings of 100."""


class CrossFrame(NamedTuple):
    """What the head keeps of earlier frames of a video, N x 256 x h/2 x w/2 each."""

    last: Tensor
    """ASPP output of the frame before."""
    first: Tensor
    """Output of the first modulator at the first predicted frame since the number of slots changed."""


class Decoder(nn.Module):
    """Head input N x 164 at stride 4 and backbone map at stride 4 -> logits of N slots at stride 4.

    reading: how to read AOC-Net's conditioning blocks (`conditioning.READINGS`), or None for RPCM, which has gates by
    the slot's vector in their place and nowhere looks at the other slots.
    """

    def __init__(self, reading: str | None, inputs: int = 164, low: int = 256) -> None:
        super().__init__()
        self.aware = reading is not None
        extra = 1 if self.aware else 0
        self.IA1 = IAGate(VECTOR, inputs)
        self.layer1 = GCTBottleneck(inputs, 256)
        for number, layer in enumerate([(256, 256, 1, 2), (256, 512, 2, 1), (512, 512, 1, 2), (512, 512, 1, 4)], 2):
            # inputs, outputs, stride, dilation; the calibration stands before the layer
            if reading is None:
                self.add_module(f"IA{number}", IAGate(VECTOR, layer[0]))
            self.add_module(f"layer{number}", GCTBottleneck(*layer))
            if reading is not None:
                self.add_module(f"CLB{number}", ConditioningBlock(layer[0], VECTOR, reading))
        self.IA9 = IAGate(VECTOR + extra * 512, 512)
        self.ASPP = GCTASPP()
        for modulator in ("M1", "M2"):
            for i, (wide, narrow) in enumerate([(512, 512), (512, 256), (256, 256)], 1):
                self.add_module(f"{modulator}_Reweight_Layer_{i}", IAGate(VECTOR, wide))
                self.add_module(f"{modulator}_Bottleneck_{i}", GCTBottleneck(wide, narrow))
        self.GCT_sc = GCT(low + 256)
        self.conv_sc = nn.Conv2d(low + 256, 64, 1, bias=False)
        self.bn_sc = GroupNorm(16, 64)
        self.IA10 = IAGate(VECTOR + extra * 320, 320)
        self.conv1 = nn.Conv2d(320, 128, 3, 1, 1, bias=False)
        self.bn1 = GroupNorm(32, 128)
        self.IA11 = IAGate(VECTOR + extra * 128, 128)
        self.conv2 = nn.Conv2d(128, 128, 3, 1, 1, bias=False)
        self.bn2 = GroupNorm(32, 128)
        self.IA_final_fg = nn.Linear(VECTOR, 129)
        self.IA_final_bg = nn.Linear(VECTOR, 129)

    def _layer(self, number: int, x: Tensor, vector: Tensor) -> Tensor:
        layer: GCTBottleneck = self.get_submodule(f"layer{number}")  # type: ignore[assignment]
        gate: ConditioningBlock | IAGate = self.get_submodule(  # type: ignore[assignment]
            f"CLB{number}" if self.aware else f"IA{number}"
        )
        return layer(x, gate.factor(x, vector) if isinstance(gate, ConditioningBlock) else gate.factor(vector))

    def _condition(self, x: Tensor, vector: Tensor) -> Tensor:
        return torch.cat([vector, discrepancy(x)], 1) if self.aware else vector

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
        pooled = self.ASPP(self.IA9(x, self._condition(x, vector)))
        known = memory if memory is not None and memory.last.shape == pooled.shape else None
        x = self._modulate("M1", torch.cat([pooled, pooled if known is None else known.last], 1), vector)
        first = x if known is None else known.first
        x = self._modulate("M2", torch.cat([x, first], 1), vector)
        return self._decode(x, low, early, vector), CrossFrame(pooled, first)

    def _decode(self, x: Tensor, low: Tensor, early: Tensor, vector: Tensor) -> Tensor:
        size = (low.shape[-2], low.shape[-1])
        x = F.interpolate(x, size, mode="bicubic", align_corners=True)
        x = torch.cat([x, F.relu(self.bn_sc(self._skip(low, early)), inplace=True)], 1)
        x = F.relu(self.bn1(scaled_conv(x, self.conv1, self.IA10.factor(self._condition(x, vector)))), inplace=True)
        x = F.relu(self.bn2(scaled_conv(x, self.conv2, self.IA11.factor(self._condition(x, vector)))), inplace=True)
        logits = _classify(x, self.IA_final_fg(vector))
        if len(logits) > 1:
            logits[0] += _classify(x, self.IA_final_bg(vector))[1:].amin(0)
        return logits

    def _skip(self, low: Tensor, early: Tensor) -> Tensor:
        """conv_sc(GCT_sc(concat(low, early))), with `low` read once for all slots instead of copied to each."""
        squares = [channel_squares(part) for part in (low, early)]
        gate = self.GCT_sc.gate_of(torch.cat([squares[0].expand(len(early), -1, -1, -1), squares[1]], 1))
        weight = self.conv_sc.weight.flatten(1) * gate.flatten(1)[:, None]
        split = low.shape[1]
        shared = scaled_product(low.expand(len(early), -1, -1, -1), weight[..., :split])
        return scaled_product(early, weight[..., split:], shared)


def _classify(x: Tensor, filters: Tensor) -> Tensor:
    """x N x C x h x w; filters N x (C weights and a bias) -> N x h x w."""
    return torch.baddbmm(filters[:, None, -1:], filters[:, None, :-1], x.flatten(2))[:, 0].unflatten(1, x.shape[-2:])
