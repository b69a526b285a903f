"""The adapter of STM."""

from __future__ import annotations

from typing import Any

from torch import nn

from robust_vos_bench.models.adapter import Checkpoint

from ..memory.adapter import MemoryAdapter
from .network import STM


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
        top_k: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, include_last=include_last, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return STM()
