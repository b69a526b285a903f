"""The adapter of the three lite models: which network, and the options that are the same for all."""

from __future__ import annotations

import importlib
from typing import Annotated

import torch
from msgspec import Meta
from torch import nn

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import unknown
from robust_vos_bench.models.adapter import Checkpoint

from ..common.torch_adapter import TorchAdapter
from . import NETWORKS
from .network import LiteNetwork
from .session import LiteSession
from .untrained import UNTRAINED


class LiteAdapter(TorchAdapter):
    """A lite model.

    network: "aoc", "aot" or "cfbi". size: frames whose short side is longer are scaled down to it; the default is the
    short side of the pictures that the networks were trained on (at 480, objects are larger than any they saw). memory:
    reference frames kept at most (those with prompts always stay). gap: every so many frames a prediction becomes a
    reference, for the networks that do so (aoc, aot). levelled: from the first prompt on, every channel of the encoder
    is given the mean and the deviation that it had there, for videos that turn bad after a good start; it harms where
    the scene itself changes.
    """

    untrained = UNTRAINED
    network: LiteNetwork

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        network: str = "aoc",
        size: Annotated[int, Meta(ge=32)] = 304,
        memory: Annotated[int, Meta(ge=1)] = 3,
        gap: Annotated[int, Meta(ge=1)] = 5,
        levelled: bool = False,
        amp: bool = False,
    ) -> None:
        if network not in NETWORKS:
            raise unknown("lite network", network, NETWORKS)
        self._family, self.size, self.limit, self.gap, self.levelled = network, size, memory, gap, levelled
        super().__init__(checkpoint, device, amp=amp)
        self.network.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def build(self) -> nn.Module:
        """The network of the family."""
        module, _, name = NETWORKS[self._family].partition(":")
        with torch.random.fork_rng(devices=[]):  # the initial values are drawn, and thrown away
            made: nn.Module = getattr(importlib.import_module(module), name)()
        return made

    def session(self, video: Video) -> LiteSession:
        """An empty memory."""
        return LiteSession(self, video)
