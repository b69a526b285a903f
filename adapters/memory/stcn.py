"""STCN (Cheng et al. 2021): keys from the image alone, one affinity for all objects, values from features and masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .adapter import MemoryAdapter
from .bank import Bank, FrameBank
from .blocks import Fuser, KeyProjection, conv3
from .decoders import Decoder
from .encoders import MIXED, Trunk, ValueEncoder, with_other_objects
from .network import MemoryNetwork, Query


class STCN(MemoryNetwork):
    """STCN (Cheng et al. 2021). biased: the image encoder's convolutions have biases too, as those of GSFM do."""

    def __init__(self, biased: bool = False) -> None:
        super().__init__()
        self.key_encoder = Trunk(3, MIXED, bias=biased)
        self.value_encoder = ValueEncoder(Fuser())
        self.key_proj = KeyProjection()
        self.key_comp = conv3(1024, 512)
        self.decoder = Decoder()

    def encode_query(self, image: Tensor) -> Query:
        """Features of the frame to match, with key and value from the image alone."""
        f16, f8, f4 = self.key_encoder(image)
        return Query(self.key_proj(f16), self.key_comp(f16), f16, f8, f4)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """The key of the same frame's query, 1 x C x h x w, and the value of each object."""
        if query is None:
            raise ValueError("STCN remembers a frame with the features of its query")
        return query.key, self.value_encoder.values(image, query.f16, masks)

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """Probability of each object, k x H x W."""
        return torch.sigmoid(self.decoder(readout, query.value, query.f8, query.f4))[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """Every frame whole, compared by distance."""
        return FrameBank("l2", top_k, max_frames)


class STCNAdapter(MemoryAdapter):
    """STCN with the official settings of DAVIS 2017 val and YouTube-VOS; test-dev was evaluated with mem_every=3."""

    network: STCN

    def build(self) -> nn.Module:
        """The bare network."""
        return STCN()

    def official(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file of the static-image stage, which knows no other objects, gets zeros for them."""
        return with_other_objects(state)
