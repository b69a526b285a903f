"""The adapter of RDE."""

from __future__ import annotations

from typing import Any

from torch import nn

from robust_vos_bench.models.adapter import Checkpoint

from ..memory.adapter import MemoryAdapter
from .network import RDE


class RDEAdapter(MemoryAdapter):
    """RDE in its mode `two-frames-compress` with the official settings of DAVIS.

    YouTube-VOS was published with mem_every=4 and top_k=20 and weights of its own; the memory is of constant size.
    """

    network: RDE

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        mem_every: int = 3,
        top_k: int | None = 40,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, mem_every=mem_every, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return RDE()
