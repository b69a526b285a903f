"""The adapter of GSFM."""

from __future__ import annotations

from typing import Any

from torch import nn

from robust_vos_bench.models.adapter import Checkpoint

from ..memory.adapter import MemoryAdapter
from .network import GSFM


class GSFMAdapter(MemoryAdapter):
    """GSFM with the official settings, which are the same for DAVIS and YouTube-VOS."""

    network: GSFM

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        mem_every: int = 3,
        top_k: int | None = 50,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, mem_every=mem_every, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return GSFM()
