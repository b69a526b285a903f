"""The feature pyramid that turns propagated features into logits of the ten identities and background."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ConvGN(nn.Module):
    """Convolution with bias, then GroupNorm of eight groups."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.gn = nn.GroupNorm(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Same size."""
        out: Tensor = self.gn(self.conv(x))
        return out


class Decoder(nn.Module):
    """From stride 16 to stride 4 over the encoder's shortcuts; returns logits at stride 4."""

    def __init__(self, inputs: int, shortcuts: Sequence[int], outputs: int, align_corners: bool) -> None:
        super().__init__()
        s4, s8, s16 = shortcuts
        self.align_corners = align_corners
        self.conv_in = ConvGN(inputs, 256, 1)
        self.conv_16x = ConvGN(256, 256, 3)
        self.conv_8x = ConvGN(256, 128, 3)
        self.conv_4x = ConvGN(128, 128, 3)
        self.adapter_16x = nn.Conv2d(s16, 256, 1)
        self.adapter_8x = nn.Conv2d(s8, 256, 1)
        self.adapter_4x = nn.Conv2d(s4, 128, 1)
        self.conv_out = nn.Conv2d(128, outputs, 1)

    def resize(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """Bilinear, with the variant's corner rule."""
        return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=self.align_corners)

    def forward(self, x: Tensor, maps: Sequence[Tensor], channels: int) -> Tensor:
        """1 x C x h x w and the maps at stride 4, 8, 16 -> 1 x channels x 4h x 4w, the first logits only."""
        s4, s8, s16 = maps[:3]
        x = F.relu(self.conv_in(x))
        x = F.relu(self.conv_16x(self.adapter_16x(s16) + x))
        x = self.resize(x, s8.shape[-2:])
        x = F.relu(self.conv_8x(self.adapter_8x(s8) + x))
        x = self.resize(x, s4.shape[-2:])
        x = F.relu(self.conv_4x(self.adapter_4x(s4) + x))
        assert self.conv_out.bias is not None
        # identities without an object would be suppressed, so they are not computed
        return F.conv2d(x, self.conv_out.weight[:channels], self.conv_out.bias[:channels])
