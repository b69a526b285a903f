"""The adapter of STCN."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import nn

from robust_vos_bench.models.checkpoint import load_strict, read_state

from ..memory.adapter import MemoryAdapter
from .network import STCN


class STCNAdapter(MemoryAdapter):
    """STCN with the official settings of DAVIS 2017 val and YouTube-VOS; test-dev was evaluated with mem_every=3."""

    network: STCN

    def build(self) -> nn.Module:
        """The bare network."""
        return STCN()

    def load(self, network: nn.Module, path: Path) -> None:
        """Load an official file; one of the static-image stage, which knows no other objects, gets zeros for them."""
        state = read_state(path)
        name = "value_encoder.conv1.weight"
        if name in state and state[name].ndim == 4 and state[name].shape[1] == 4:
            state[name] = F.pad(state[name], (0, 0, 0, 0, 0, 1))
        load_strict(network, state, str(path))
