"""STM (Oh et al. 2019): two encoders, keys and values of memory and query, dot products over all of the memory."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.models.adapter import Checkpoint

from .adapter import MemoryAdapter
from .bank import Bank, FrameBank
from .blocks import KeyValue
from .decoders import StmDecoder
from .encoders import AddedMaskEncoder, NormalisingEncoder
from .network import MemoryNetwork, Query


class STM(MemoryNetwork):
    """STM (Oh et al. 2019)."""

    one_encoder = False
    normalises = True
    crops = True
    hard_prompts = True

    def __init__(self) -> None:
        super().__init__()
        self.Encoder_M = AddedMaskEncoder()
        self.Encoder_Q = NormalisingEncoder()
        self.KV_M_r4 = KeyValue()
        self.KV_Q_r4 = KeyValue()
        self.Decoder = StmDecoder()

    def encode_query(self, image: Tensor) -> Query:
        """Features of the frame to match, with key and value from the image alone."""
        f16, f8, f4 = self.Encoder_Q(image)
        key, value = self.KV_Q_r4(f16)
        return Query(key, value, f16, f8, f4)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Key k x C x h x w and value of a frame under its masks; keys differ by object."""
        key, value = self.KV_M_r4(self.Encoder_M.features(image, masks))
        return key, value

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """Probability of each object, k x H x W, of two logits per pixel."""
        joined = torch.cat([readout, query.value.expand(len(readout), -1, -1, -1)], 1)
        return torch.softmax(self.Decoder(joined, query.f8, query.f4), 1)[:, 1]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """Every frame whole, compared by dot product."""
        return FrameBank("dot", top_k, max_frames)


class STMAdapter(MemoryAdapter):
    """STM with the official settings: every fifth frame and the one before, no top-k.

    Late objects: the official code has none. Here each group has a memory bank of its own and all are aggregated.
    """

    network: STM

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        include_last: bool = True,
        top_k: Annotated[int, Meta(ge=1)] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, include_last=include_last, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return STM()
