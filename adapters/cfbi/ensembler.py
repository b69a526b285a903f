"""Collaborative ensemblers: from per-object inputs to logits. The batch axis is the slot (background first)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


class PreHead(nn.Module):
    """Turns the matching maps into 64 channels (CFBI)."""

    def __init__(self, inputs: int, outputs: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        self.bn = GroupNorm(outputs // 4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """slots x inputs x h x w -> slots x outputs x h x w."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class _Ensembler(nn.Module):
    """ASPP, decoder and dynamic output layers that both ensemblers end in."""

    def __init__(self, vector: int, low: int) -> None:
        super().__init__()
        self.ASPP = GCTASPP()
        self.GCT_sc = GCT(low + 256)
        self.conv_sc = nn.Conv2d(low + 256, 64, 1, bias=False)
        self.bn_sc = GroupNorm(16, 64)
        self.IA10 = IAGate(vector, 256 + 64)
        self.conv1 = nn.Conv2d(256 + 64, 128, 3, 1, 1, bias=False)
        self.bn1 = GroupNorm(32, 128)
        self.IA11 = IAGate(vector, 128)
        self.conv2 = nn.Conv2d(128, 128, 3, 1, 1, bias=False)
        self.bn2 = GroupNorm(32, 128)
        self.IA_final_fg = nn.Linear(vector, 129)
        self.IA_final_bg = nn.Linear(vector, 129)

    def _finish(self, x: Tensor, low: Tensor, early: Tensor, vector: Tensor) -> Tensor:
        """x: slots x 512 at stride 16, gated; low 1 x C and early slots x 256 at stride 4 -> logits."""
        # Bicubic here, bilinear everywhere else.
        x = F.interpolate(self.ASPP(x), size=low.shape[-2:], mode="bicubic", align_corners=True)
        x = torch.cat([x, F.relu(self.bn_sc(self._skip(low, early)), inplace=True)], 1)
        x = F.relu(self.bn1(scaled_conv(x, self.conv1, self.IA10.factor(vector))), inplace=True)
        x = F.relu(self.bn2(scaled_conv(x, self.conv2, self.IA11.factor(vector))), inplace=True)
        logits = _dynamic(x, self.IA_final_fg(vector))
        if len(logits) > 1:
            # Background also gets the least background logit of the objects; the slot 0 of `IA_final_bg` is unused.
            logits[0] += _dynamic(x, self.IA_final_bg(vector))[1:].amin(0)
        return logits[None]

    def _skip(self, low: Tensor, early: Tensor) -> Tensor:
        """conv_sc(GCT_sc(concat(low, early))) without making the copies of `low` that the slots share."""
        squares = [channel_squares(x) for x in (low, early)]
        gate = self.GCT_sc.gate_of(torch.cat([squares[0].expand(len(early), -1, -1, -1), squares[1]], 1))
        weight = self.conv_sc.weight.flatten(1) * gate.flatten(1)[:, None]
        split = low.shape[1]
        shared = scaled_product(low.expand(len(early), -1, -1, -1), weight[..., :split])
        return scaled_product(early, weight[..., split:], shared)


def _dynamic(x: Tensor, filters: Tensor) -> Tensor:
    """x slots x C x h x w, filters slots x (C weights, 1 bias) -> slots x h x w."""
    return torch.baddbmm(filters[:, None, -1:], filters[:, None, :-1], x.flatten(2))[:, 0].unflatten(1, x.shape[-2:])


class Ensembler(_Ensembler):
    """CFBI: eight gated bottlenecks over strides 4, 8, 16."""

    def __init__(self, inputs: int = 364, vector: int = 400, low: int = 256) -> None:
        super().__init__(vector, low)
        shapes = (
            # inputs, outputs, stride, dilation
            (inputs, 256, 1, 1),
            (256, 256, 1, 2),
            (256, 512, 2, 1),
            (512, 512, 1, 2),
            (512, 512, 1, 4),
            (512, 512, 2, 1),
            (512, 512, 1, 2),
            (512, 512, 1, 4),
        )
        for i, shape in enumerate(shapes, start=1):
            self.add_module(f"IA{i}", IAGate(vector, shape[0]))
            self.add_module(f"layer{i}", GCTBottleneck(*shape))
        self.IA9 = IAGate(vector, 512)

    def _layer(self, i: int, x: Tensor, vector: Tensor) -> Tensor:
        gate, layer = self.get_submodule(f"IA{i}"), self.get_submodule(f"layer{i}")
        result: Tensor = layer(x, gate.factor(vector))  # type: ignore[operator]
        return result

    def forward(self, x: Tensor, vector: Tensor, low: Tensor) -> Tensor:
        """x slots x inputs x h x w, vector slots x 400, low 1 x C x h x w -> logits 1 x slots x h x w."""
        early = x = self._layer(2, self._layer(1, x, vector), vector)
        for i in range(3, 9):
            x = self._layer(i, x, vector)
        return self._finish(self.IA9(x, vector), low, early, vector)


class MultiScaleEnsembler(_Ensembler):
    """CFBI+: the inputs of strides 8 and 16 join in stages 2 and 3; every gate reads the 4x attention vector."""

    def __init__(self, inputs: tuple[int, int, int] = (783, 783, 781), vector: int = 1024, low: int = 256) -> None:
        super().__init__(vector, low)
        shapes = {
            "S1": ((inputs[0], 256, 1, 1), (256, 256, 1, 2)),
            "S2": ((256, 512, 2, 1), (512 + inputs[1], 512, 1, 2), (512, 512, 1, 4)),
            "S3": ((512, 512, 2, 1), (512 + inputs[2], 512, 1, 2), (512, 512, 1, 4)),
        }
        for stage, layers in shapes.items():
            for i, shape in enumerate(layers, start=1):
                self.add_module(f"{stage}_IA{i}", IAGate(vector, shape[0]))
                self.add_module(f"{stage}_layer{i}", GCTBottleneck(*shape))
        self.ASPP_IA = IAGate(vector, 512)

    def _layer(self, name: str, x: Tensor, vector: Tensor) -> Tensor:
        stage, i = name.split(".")
        gate, layer = self.get_submodule(f"{stage}_IA{i}"), self.get_submodule(f"{stage}_layer{i}")
        result: Tensor = layer(x, gate.factor(vector))  # type: ignore[operator]
        return result

    def forward(self, inputs: tuple[Tensor, Tensor, Tensor], vector: Tensor, low: Tensor) -> Tensor:
        """inputs at strides 4, 8, 16, vector slots x 1024, low 1 x C x h x w -> logits 1 x slots x h x w."""
        early = x = self._layer("S1.2", self._layer("S1.1", inputs[0], vector), vector)
        for stage, joined in (("S2", inputs[1]), ("S3", inputs[2])):
            x = self._layer(f"{stage}.1", x, vector)
            x = self._layer(f"{stage}.2", torch.cat([x, joined], 1), vector)
            x = self._layer(f"{stage}.3", x, vector)
        return self._finish(self.ASPP_IA(x, vector), low, early, vector)
