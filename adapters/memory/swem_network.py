"""The network of SWEM (Lin et al. 2022): STCN's parts, and a fusion of what was read with how it was found."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Fuser, KeyProjection, conv3
from .decoders import Decoder
from .encoders import MIXED, NormalisingEncoder, ValueEncoder
from .network import TOGETHER, Query


class Fusion(nn.Module):
    """Readout, query value and shares of the bases -> context: one convolution gated by another.

    top_l: best bases that are looked at per side, the half of the shares' channels.
    """

    def __init__(self, top_l: int) -> None:
        super().__init__()
        self.top_l = top_l
        self.layer_f = conv3(1024 + 2 * top_l, 512)
        self.layer_a = conv3(1024 + 2 * top_l, 512)

    def forward(self, readout: Tensor, value: Tensor, shares: Tensor) -> Tensor:
        """readout k x 512 x h x w, value 1 x 512 x h x w, shares k x (2 top_l) x h x w -> k x 512 x h x w."""
        own = torch.cat([readout, shares], 1)
        found, gate = (_between(conv, own, value) for conv in (self.layer_f, self.layer_a))
        return found * torch.sigmoid(gate)


def _between(conv: nn.Conv2d, own: Tensor, shared: Tensor) -> Tensor:
    """`conv` over own channels with the shared ones after the first 512; the part of the shared ones is done once."""
    first, middle, last = conv.weight.split([512, shared.shape[1], own.shape[1] - 512], 1)
    common = F.conv2d(shared, middle, conv.bias, conv.stride, conv.padding)
    return F.conv2d(own, torch.cat([first, last], 1), None, conv.stride, conv.padding) + common


class _Core(nn.Module):
    """Holds the fusion under its official name; the memory itself has no parameters."""

    def __init__(self, top_l: int) -> None:
        super().__init__()
        self.fusion_layer = Fusion(top_l)


class SWEM(nn.Module):
    """SWEM (Lin et al. 2022). top_l: see `Fusion`; a checkpoint tells it."""

    def __init__(self, top_l: int = 64) -> None:
        super().__init__()
        self.key_encoder = NormalisingEncoder(MIXED)
        self.value_encoder = ValueEncoder(Fuser(), normalises=True)
        self.key_proj = KeyProjection(1024, 128)
        self.key_comp = conv3(1024, 512)
        self.swem_core = _Core(top_l)
        self.decoder = Decoder(inputs=512)

    @property
    def top_l(self) -> int:
        """Best bases that are looked at per side."""
        return self.swem_core.fusion_layer.top_l

    def encode_query(self, image: Tensor) -> Query:
        """1 x 3 x H x W in 0..1, sides multiples of 16 -> features of the frame, with its key (not normalised)."""
        f16, f8, f4 = self.key_encoder(image)
        return Query(self.key_proj(f16), self.key_comp(f16), f16, f8, f4)

    def values(self, image: Tensor, query: Query, shares: Tensor) -> Tensor:
        """Value of a frame for each object, k x 512 x h x w.

        shares: (1 + k) x H x W, background first. The mask of an object's others is what is left of one.
        """
        masks = shares[1:, None]
        others = 1 - masks - shares[None, :1]
        parts = zip(masks.split(TOGETHER), others.split(TOGETHER))
        return torch.cat([self.value_encoder.values(image, query.f16, *part) for part in parts])

    def fuse(self, readout: Tensor, shares: Tensor, query: Query) -> Tensor:
        """What was read and the shares of the bases -> context, k x 512 x h x w."""
        found: Tensor = self.swem_core.fusion_layer(readout, query.value, shares)
        return found

    def logits(self, readout: Tensor, shares: Tensor, query: Query, size: tuple[int, int]) -> Tensor:
        """What was read and the shares of the bases -> logits k x H x W, enlarged in one step to `size`."""
        found = []
        for own, share in zip(readout.split(TOGETHER), shares.split(TOGETHER)):
            small = self.decoder.quarter(self.fuse(own, share, query), None, query.f8, query.f4)
            found.append(F.interpolate(small, size, mode="bilinear", align_corners=False)[:, 0])
        return torch.cat(found)
