"""The whole network: encoder, identity bank, propagation and decoder, with the official parameter names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.mobilenetv2 import MobileNetV2
from ..encoders.resnet import Bottleneck, FrozenBatchNorm, stage
from ..encoders.swin import Swin
from .attention import Grid
from .decoder import Decoder
from .gated import GatedPropagation
from .memory import Current, Fused, Memory
from .transformer import AOTPropagation, sine_positions, to_tokens
from .variants import Variant

CHANNELS = 256
IDENTITIES = 10
"""Objects one memory can tell apart, background not counted."""
STRIDE = 16


class ResNet50(nn.Module):
    """ResNet-50 down to stride 16 (layer3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm(64)
        self.layer1 = stage(Bottleneck, 64, 64, 3, norm=FrozenBatchNorm)
        self.layer2 = stage(Bottleneck, 256, 128, 4, 2, norm=FrozenBatchNorm)
        self.layer3 = stage(Bottleneck, 512, 256, 6, 2, norm=FrozenBatchNorm)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised image -> maps at stride 4, 8, 16."""
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)
        s4 = self.layer1(F.max_pool2d(x, 3, 2, 1))
        s8 = self.layer2(s4)
        return [s4, s8, self.layer3(s8)]


@dataclass(frozen=True)
class Features:
    """One frame as every engine of a video sees it."""

    maps: list[Tensor]
    """At stride 4, 8, 16 for the decoder, then what the projection was made from."""
    tokens: Tensor
    """N x 256 projected features, raster order."""
    grid: Grid


class AOT(nn.Module):
    """AOT or DeAOT, by variant."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.encoder: nn.Module
        if variant.encoder == "mobilenetv2":
            self.encoder, widths = MobileNetV2(FrozenBatchNorm), (24, 32, 96, 1280)
        elif variant.encoder == "resnet50":
            self.encoder, widths = ResNet50(), (256, 512, 1024, 1024)
        else:
            self.encoder, widths = Swin(), (128, 256, 512, 512)
        self.encoder_projector = nn.Conv2d(widths[3], CHANNELS, 1)
        self.LSTT: AOTPropagation | GatedPropagation
        if variant.gated:
            self.LSTT, decoded = GatedPropagation(variant.layers), 2 * CHANNELS
        else:
            self.LSTT, decoded = AOTPropagation(variant.layers), CHANNELS * (variant.layers + 1)
        self.decoder = Decoder(decoded, widths[:3], IDENTITIES + 1, variant.align_corners)
        kernel, padding = (STRIDE + 1, STRIDE // 2) if variant.align_corners else (STRIDE, 0)
        self.patch_wise_id_bank = nn.Conv2d(IDENTITIES + 1, CHANNELS, kernel, STRIDE, padding)
        if variant.gated:
            self.id_norm = nn.LayerNorm(CHANNELS)

    def encode(self, image: Tensor) -> Features:
        """Normalised image 1 x 3 x H x W -> features."""
        maps = self.encoder(image)
        projected = self.encoder_projector(maps[-1])
        return Features(maps, to_tokens(projected), Grid(*projected.shape[-2:]))

    def identify(self, label: Tensor) -> Tensor:
        """1 x 1 x H x W labels 0..10 at network size -> N x 256 identity embedding."""
        one_hot = label == torch.arange(IDENTITIES + 1, device=label.device, dtype=label.dtype)[:, None, None]
        tokens = to_tokens(self.patch_wise_id_bank(one_hot.float()))
        return self.id_norm(tokens) if self.variant.gated else tokens

    def positions(self, grid: Grid, device: torch.device) -> Tensor:
        """N x 256 sine embedding of a map; empty for DeAOT, which does not use one."""
        if self.variant.gated:
            return torch.empty(0, device=device)
        return sine_positions(grid.height, grid.width, device)

    def refer(
        self, features: Features, positions: Tensor, identity: Tensor
    ) -> tuple[list[Tensor], list[Current], list[Fused]]:
        """A pass in which the frame, its masks known, is its own memory."""
        return self.LSTT(features.tokens, features.grid, positions, None, identity)  # type: ignore[no-any-return]

    def propagate(
        self, features: Features, positions: Tensor, memories: list[Memory]
    ) -> tuple[list[Tensor], list[Current]]:
        """Match a frame against memory: decoder inputs and what to remember."""
        outputs, currents, _ = self.LSTT(features.tokens, features.grid, positions, memories)
        return outputs, currents

    def fuse(self, currents: list[Current], identity: Tensor) -> list[Fused]:
        """What a frame leaves in memory once its masks are known."""
        return [layer.fuse(current, identity) for layer, current in zip(self.LSTT.layers, currents)]  # type: ignore[operator]

    def decode(self, outputs: list[Tensor], features: Features, objects: int) -> Tensor:
        """1 x (1 + objects) x H/4 x W/4 logits, background first."""
        grid = features.grid
        joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        x = joined.view(1, grid.height, grid.width, -1).permute(0, 3, 1, 2)
        logits: Tensor = self.decoder(x, features.maps, 1 + objects)
        return logits
