"""STCN: keys from the image alone, one affinity for all objects, values from image features and masks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..memory.bank import Bank, FrameBank
from ..memory.blocks import Decoder, Fuser, KeyProjection, conv3
from ..memory.network import MemoryNetwork, Query
from ..memory.trunk import MIXED, PLAIN, Trunk, masked_stem, others_of


class ValueEncoder(Trunk):
    """ResNet-18 over image, mask and other masks (its convolutions have biases), fused with the image's features."""

    def __init__(self) -> None:
        super().__init__(5, PLAIN, deep=False, bias=True)
        self.fuser = Fuser()

    def values(self, image: Tensor, f16: Tensor, masks: Tensor) -> Tensor:
        """image 1 x 3 x H x W, f16 1 x 1024 x h x w, masks k x 1 x H x W -> k x 512 x h x w."""
        x, _, _ = self.stages(masked_stem(self, image, masks, others_of(masks)))
        value: Tensor = self.fuser(x, f16)
        return value


class STCN(MemoryNetwork):
    """STCN (Cheng et al. 2021). biased: the image encoder's convolutions have biases too, as those of GSFM do."""

    def __init__(self, biased: bool = False) -> None:
        super().__init__()
        self.key_encoder = Trunk(3, MIXED, bias=biased)
        self.value_encoder = ValueEncoder()
        self.key_proj = KeyProjection()
        self.key_comp = conv3(1024, 512)
        self.decoder = Decoder()

    def encode_query(self, image: Tensor) -> Query:
        """See `MemoryNetwork`."""
        f16, f8, f4 = self.key_encoder(image)
        return Query(self.key_proj(f16), self.key_comp(f16), f16, f8, f4)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """See `MemoryNetwork`; the query is that of the same frame."""
        if query is None:
            raise ValueError("STCN remembers a frame with the features of its query")
        return query.key, self.value_encoder.values(image, query.f16, masks)

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """See `MemoryNetwork`."""
        return torch.sigmoid(self.decoder(readout, query.value, query.f8, query.f4))[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """Every frame whole, compared by distance."""
        return FrameBank("l2", top_k, max_frames)
