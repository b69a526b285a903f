"""The propagation network of MiVOS (Cheng et al. 2021): STM with a stronger decoder and top-k readout."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.models.adapter import Checkpoint

from .adapter import MemoryAdapter
from .bank import Bank, FrameBank
from .blocks import conv3
from .decoders import Decoder
from .encoders import MIXED, MaskEncoder, Trunk
from .network import MemoryNetwork, Query


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
        self.mask_rgb_encoder = MaskEncoder()
        self.rgb_encoder = Trunk(3, MIXED, bias=biased)
        self.kv_m_f16 = KeyValue()
        self.kv_q_f16 = KeyValue()
        self.decoder = Decoder(refined=True)

    def encode_query(self, image: Tensor) -> Query:
        """Features of the frame to match, with key and value from the image alone."""
        f16, f8, f4 = self.rgb_encoder(image)
        key, value = self.kv_q_f16(f16)
        return Query(key, value, f16, f8, f4)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Key k x C x h x w and value of a frame under its masks; keys differ by object."""
        key, value = self.kv_m_f16(self.mask_rgb_encoder.features(image, masks))
        return key, value

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """Probability of each object, k x H x W."""
        return torch.sigmoid(self.decoder(readout, query.value, query.f8, query.f4))[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """Every frame whole, compared by dot product."""
        return FrameBank("dot", top_k, max_frames)


class MiVOSAdapter(MemoryAdapter):
    """Mask-Propagation with the official settings of DAVIS; YouTube-VOS was evaluated with top_k=20."""

    network: MiVOS

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        include_last: bool = True,
        top_k: Annotated[int, Meta(ge=1)] | None = 50,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, include_last=include_last, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return MiVOS()
