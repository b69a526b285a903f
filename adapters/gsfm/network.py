"""GSFM: STCN whose features pass through the frequency domain, and a decoder with a boundary branch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..memory.blocks import Decoder, conv3, enlarge
from ..memory.network import Query
from ..stcn.network import STCN
from .spectrum import Spectral


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
        """See `Decoder`."""
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
        """See `MemoryNetwork`."""
        f16, f8, f4 = self.key_encoder(image)
        f16 = self.lfm(f16)
        return Query(self.key_proj(f16), self.key_comp(f16), f16, f8, f4)
