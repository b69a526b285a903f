"""HMMN (Seong et al. 2021): STM that reads at three strides, the finer ones where the coarse one found something."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint

from ..common.tensors import aggregate
from .adapter import MemoryAdapter
from .blocks import Key, KeyValue
from .decoders import StmDecoder
from .encoders import others_of
from .guided import GuidedBank
from .network import TOGETHER, Query
from .session import MemorySession
from .stm import STM

Levels = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Key and value at stride 16, 8 and 4."""


class HMMN(STM):
    """HMMN (Seong et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.top_k_fine = 8
        """Cells that guide the read at stride 4."""
        self.KV_M_r3 = KeyValue(512, 128, 256)
        self.KV_Q_r3 = Key(512, 128)
        self.KV_M_r2 = KeyValue(256, 64, 128)
        self.KV_Q_r2 = Key(256, 64)
        self.Decoder = StmDecoder(memory=(256, 128))

    def levels(self, image: Tensor, masks: Tensor) -> Levels:
        """Keys and values of a frame under its masks k x 1 x H x W, k x ... each."""
        others = others_of(masks).clamp(0, 1)
        found = []
        for own, other in zip(masks.split(TOGETHER), others.split(TOGETHER)):
            f16, f8, f4 = self.Encoder_M.pyramid(image, own, other)
            found.append((*self.KV_M_r4(f16), *self.KV_M_r3(f8), *self.KV_M_r2(f4)))
        key16, value16, key8, value8, key4, value4 = (torch.cat(parts) for parts in zip(*found))
        return (key16, value16), (key8, value8), (key4, value4)

    def fine_keys(self, query: Query) -> tuple[Tensor, Tensor]:
        """Keys of the query at stride 8 and 4, batch 1."""
        return self.KV_Q_r3(query.f8), self.KV_Q_r2(query.f4)

    def decode_levels(self, coarse: Tensor, read8: Tensor, read4: Tensor, query: Query) -> Tensor:
        """What was read at the three strides, k x D x ... each -> probability of each object k x H x W."""
        found = []
        for parts in zip(coarse.split(TOGETHER), read8.split(TOGETHER), read4.split(TOGETHER)):
            joined = torch.cat([parts[0], query.value.expand(len(parts[0]), -1, -1, -1)], 1)
            logits = self.Decoder(joined, query.f8, query.f4, parts[1], parts[2])
            found.append(torch.softmax(logits, 1)[:, 1])
        return torch.cat(found)

    def bank(self, top_k: int | None, max_frames: int | None) -> GuidedBank:
        """Coarse frames whole; first and previous frame at stride 8 and 4. top_k: cells that guide at stride 8."""
        if top_k is None:
            raise ValueError("the fine reads of HMMN need a number of cells")
        return GuidedBank((top_k, self.top_k_fine), max_frames)


class GuidedSession(MemorySession):
    """Remembers and reads at three strides; every frame is remembered until the next one."""

    network: HMMN

    def guided(self) -> list[tuple[slice, GuidedBank]]:
        """Objects and memory of each group."""
        found = [(objects, bank) for objects, bank in self.groups if isinstance(bank, GuidedBank)]
        if len(found) != len(self.groups):
            raise TypeError("HMMN needs banks of its own kind")
        return found

    def predict(self, query: Query) -> Tensor:
        """Aggregated probabilities (1 + k) x H x W."""
        keys = self.network.fine_keys(query)
        banks = [bank for _, bank in self.guided()]
        coarse = torch.cat([bank.read(query.key) for bank in banks])
        read8, read4 = (torch.cat([bank.read_fine(level, keys[level]) for bank in banks]) for level in (0, 1))
        return aggregate(self.network.decode_levels(coarse, read8, read4, query).float())

    def remember(self, image: Tensor, query: Query | None, masks: Tensor, temporary: bool, given: bool) -> None:
        """Add the frame to every group's memory."""
        coarse, *fine = self.network.levels(image, self.sizes.pad(self.sizes.unpad(masks))[:, None])
        for objects, bank in self.guided():
            bank.add(coarse[0][objects], coarse[1][objects], temporary, given)
            bank.add_fine([(key[objects], value[objects]) for key, value in fine])
        self._check(coarse[0])


class HMMNAdapter(MemoryAdapter):
    """HMMN with the official settings, published for DAVIS alone: every fifth frame, the first and the one before.

    top_k: coarse cells whose pixels are read at stride 8, of first and previous frame. top_k_fine: how many of these
    are read at stride 4. All of the coarse memory is read at stride 16. Late objects: as in STM, each group has a
    memory of its own.
    """

    network: HMMN
    loop = GuidedSession

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        include_last: bool = True,
        top_k: Annotated[int, Meta(ge=1)] = 32,
        top_k_fine: Annotated[int, Meta(ge=1)] = 8,
        **options: Any,
    ) -> None:
        if not include_last:
            raise UsageError(
                "model 'hmmn': option include_last is false; HMMN always remembers the frame before, from which it "
                "follows motion"
            )
        if top_k_fine > top_k:
            raise UsageError(
                f"model 'hmmn': option top_k_fine is {top_k_fine}; it must not exceed top_k, which is {top_k}"
            )
        super().__init__(checkpoint, device, include_last=True, top_k=top_k, **options)
        self.network.top_k_fine = top_k_fine

    def build(self) -> nn.Module:
        """The bare network."""
        return HMMN()
