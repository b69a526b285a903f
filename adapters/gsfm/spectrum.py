"""GSFM's modulation of a feature map in the frequency domain."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Spectral(nn.Module):
    """x + inverse FFT of two 1 x 1 convolutions over the filtered spectrum's real and imaginary parts.

    inside: the filter is a Gaussian (deviation 7) about the middle of the unshifted spectrum, where the highest
    frequencies lie, or one minus it, which keeps the low ones. The FFT runs over the padded map, so that results
    depend on the padding, and in float32 whatever the network's precision.
    """

    def __init__(self, channels: int, inside: bool) -> None:
        super().__init__()
        self.inside = inside
        self.conv1 = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x h x w -> the same shape, float32."""
        x = x.float()
        height, width = x.shape[-2:]
        rows = torch.arange(height, device=x.device, dtype=torch.float32) - height // 2
        columns = torch.arange(width, device=x.device, dtype=torch.float32) - width // 2
        bell = torch.exp(-(rows.square()[:, None] + columns.square()) / (2 * 7**2))
        spectrum = torch.fft.fft2(x) * (bell if self.inside else 1 - bell)
        y = torch.cat([spectrum.real, spectrum.imag], 1)
        real, imaginary = self.conv2(F.relu(self.conv1(y))).float().chunk(2, 1)
        return x + torch.fft.ifft2(torch.complex(real, imaginary)).real
