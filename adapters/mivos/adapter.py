"""The adapter of MiVOS' propagation network."""

from __future__ import annotations

from typing import Any

from torch import nn

from robust_vos_bench.models.adapter import Checkpoint

from ..memory.adapter import MemoryAdapter
from .network import MiVOS


class MiVOSAdapter(MemoryAdapter):
    """Mask-Propagation with the official settings of DAVIS; YouTube-VOS was evaluated with top_k=20."""

    network: MiVOS

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        include_last: bool = True,
        top_k: int | None = 50,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, include_last=include_last, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return MiVOS()
