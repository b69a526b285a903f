"""The propagation network of MiVOS: STM with a stronger decoder and top-k readout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..memory.bank import Bank, FrameBank
from ..memory.blocks import Decoder, conv3
from ..memory.network import MemoryNetwork, Query
from ..memory.trunk import MIXED, PLAIN, Trunk, masked_stem, others_of


class KeyValue(nn.Module):
    """Features -> key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.key_proj = conv3(1024, 128)
        self.val_proj = conv3(1024, 512)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """N x 1024 x h x w -> N x 128 x h x w, N x 512 x h x w."""
        return self.key_proj(x), self.val_proj(x)


class MiVOS(MemoryNetwork):
    """Mask-Propagation (Cheng et al. 2021). biased: the image encoder's convolutions have biases, as QDMN's do."""

    one_encoder = False

    def __init__(self, biased: bool = False) -> None:
        super().__init__()
        self.mask_rgb_encoder = Trunk(5, PLAIN, bias=True)
        self.rgb_encoder = Trunk(3, MIXED, bias=biased)
        self.kv_m_f16 = KeyValue()
        self.kv_q_f16 = KeyValue()
        self.decoder = Decoder(refined=True)

    def encode_query(self, image: Tensor) -> Query:
        """See `MemoryNetwork`."""
        f16, f8, f4 = self.rgb_encoder(image)
        key, value = self.kv_q_f16(f16)
        return Query(key, value, f16, f8, f4)

    def memory_features(self, image: Tensor, masks: Tensor) -> Tensor:
        """image 1 x 3 x H x W, masks k x 1 x H x W -> k x 1024 x h x w."""
        stem = masked_stem(self.mask_rgb_encoder, image, masks, others_of(masks))
        return self.mask_rgb_encoder.stages(stem)[0]

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """See `MemoryNetwork`; keys differ by object."""
        key, value = self.kv_m_f16(self.memory_features(image, masks))
        return key, value

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """See `MemoryNetwork`."""
        return torch.sigmoid(self.decoder(readout, query.value, query.f8, query.f4))[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """Every frame whole, compared by dot product."""
        return FrameBank("dot", top_k, max_frames)
