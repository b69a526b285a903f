"""GSFM (Liu et al. 2022): STCN whose features pass through the frequency domain, with a boundary branch."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.models.adapter import Checkpoint

from .adapter import MemoryAdapter
from .blocks import conv3, enlarge
from .decoders import Decoder
from .network import Query
from .stcn import STCN


class Spectral(nn.Module):
    """x + inverse FFT of two 1 x 1 convolutions over the filtered spectrum's real and imaginary parts.

    inside: the filter is a Gaussian (deviation 7) about the middle of the unshifted spectrum, where the highest
    frequencies lie, or one minus it, which keeps the low ones. The FFT runs over the padded map, so that results
    depend on the padding, and always in float32.
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
        out: Tensor = x + torch.fft.ifft2(torch.complex(real, imaginary)).real
        return out


class BoundaryDecoder(Decoder):
    """The decoder of STCN with a branch for boundaries that talks to the branch for masks."""

    def __init__(self) -> None:
        super().__init__()
        self.boundary_1 = conv3(256, 256)
        self.mask_1 = conv3(256, 256)
        self.boundary_2 = conv3(256, 256)
        self.boundary_3 = conv3(256, 256)
        self.fusion_1 = nn.Conv2d(256, 256, 1)
        self.fusion_2 = nn.Conv2d(256, 256, 1)
        # the boundary's own output serves training only; its weights are in the checkpoints
        self.predict_boundary_1 = conv3(256, 256)
        self.predict_boundary_2 = conv3(256, 1)
        self.predict_mask = conv3(256, 256)
        self.hfm = Spectral(256, inside=True)

    def forward(self, readout: Tensor, value: Tensor | None, f8: Tensor, f4: Tensor) -> Tensor:
        """As `Decoder`, with the mask branch corrected by the boundary branch."""
        x = self.up_8_4(f4, self.up_16_8(f8, self.compress(readout, value)))
        mask = self.mask_1(x)
        boundary = self.hfm(self.boundary_1(x)) + F.relu(self.fusion_1(mask))
        boundary = F.relu(self.boundary_3(self.boundary_2(boundary)))
        mask = self.predict_mask(mask + F.relu(self.fusion_2(boundary)))
        return enlarge(self.pred(F.relu(mask)), 4)


class GSFM(STCN):
    """GSFM (Liu et al. 2022)."""

    def __init__(self) -> None:
        super().__init__(biased=True)
        self.decoder = BoundaryDecoder()
        self.lfm = Spectral(1024, inside=False)

    def encode_query(self, image: Tensor) -> Query:
        """As STCN, from features whose low frequencies were modulated."""
        f16, f8, f4 = self.key_encoder(image)
        f16 = self.lfm(f16)
        return Query(self.key_proj(f16), self.key_comp(f16), f16, f8, f4)


class GSFMAdapter(MemoryAdapter):
    """GSFM with the official settings, which are the same for DAVIS and YouTube-VOS."""

    network: GSFM

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        mem_every: Annotated[int, Meta(ge=1)] = 3,
        top_k: Annotated[int, Meta(ge=1)] | None = 50,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, mem_every=mem_every, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return GSFM()
