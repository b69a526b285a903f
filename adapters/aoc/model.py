"""The adapters of AOC-Net and RPCM: options and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import nn

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import load_strict, read_state

from ..common.torch_adapter import TorchAdapter
from ..encoders.fold import fold_frozen_norms
from .conditioning import READINGS
from .memory import UNCERTAIN
from .network import AOCNet
from .proxies import ProxyBank
from .session import Session
from .weights import UNTRAINED, with_aliases

MAX_LONG_EDGE = 1040
"""Longest input side at the single scale (800 * 1.3)."""


class RPCM(TorchAdapter):
    """RPCM: reliable proxy augmentation (which frames and pixels are remembered) around propagation and correction.

    rpa: False is the paper's network without reliable proxy augmentation, which remembers annotated frames only.
    mem_every: remember every n-th frame; -1 only annotated ones. corrected: repair what the official code gets wrong
    but a network trained with it has seen (see docs/models/aoc.md). max_long_edge: longest input side in pixels.
    max_memory_frames: bound on the remembered frames (annotated ones always stay); None follows the published rule.
    """

    untrained = UNTRAINED
    network: AOCNet

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        rpa: bool = True,
        mem_every: Annotated[int, Meta(ge=-1)] = 5,
        corrected: bool = False,
        max_long_edge: Annotated[int, Meta(ge=33)] = MAX_LONG_EDGE,
        max_memory_frames: Annotated[int, Meta(ge=1)] | None = None,
        **options: Any,
    ) -> None:
        if mem_every == 0:
            raise UsageError("option mem_every is 0; it must be a number of frames, or -1 for never")
        super().__init__(checkpoint, device, **options)
        fold_frozen_norms(self.network.feature_extracter)
        if device == "cpu":
            # 1 x 1 convolutions run faster on rows of channels
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.rpa = rpa
        self.mem_every = mem_every if rpa else -1
        self.corrected = corrected
        self.max_long_edge = max_long_edge
        self.max_memory_frames = max_memory_frames

    def build(self) -> nn.Module:
        """RPCM's network."""
        return AOCNet(None)

    def load(self, network: nn.Module, path: Path) -> None:
        """Load a checkpoint of the official training code (`save_step_<N>.pth`), strictly."""
        load_strict(
            network,
            with_aliases(read_state(path)),
            str(path),
            hint="Expected is a file that the official training code saves; its DeepLab weights alone are not enough.",
        )

    def proxy_bank(self) -> ProxyBank | None:
        """A fresh store of proxies for one video; None for a network without proxies."""
        return None

    def session(self, video: Video) -> Session:
        """Neither references, cross-frame memory nor clusters; the official evaluator carries some to the next video.

        Raises UsageError for a video of too many objects.
        """
        if len(video.object_ids) >= UNCERTAIN:
            raise UsageError(
                f"video {video.name!r} has {len(video.object_ids)} objects; {type(self).__name__} takes "
                f"{UNCERTAIN - 1} at most"
            )
        return Session(self, video)


class AOC(RPCM):
    """AOC-Net: RPCM's loop around matching with adaptive proxies and calibration by conditioning blocks.

    conditioning: how the blocks are read that cannot run as published (`conditioning.READINGS`). cluster_seed: seed
    of the rows that clustering starts from. mem_every: -1 is the base model (first and previous frame only).
    The other options are RPCM's.
    """

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        conditioning: str = "strict",
        cluster_seed: int = 0,
        **options: Any,
    ) -> None:
        if conditioning not in READINGS:
            raise UsageError(f"conditioning is {conditioning!r}; it must be one of {', '.join(READINGS)}")
        self.conditioning = conditioning
        self.cluster_seed = cluster_seed
        super().__init__(checkpoint, device, **options)

    def build(self) -> nn.Module:
        """AOC-Net's network."""
        return AOCNet(self.conditioning)

    def proxy_bank(self) -> ProxyBank | None:
        """A fresh store of proxies for one video."""
        return ProxyBank(self.cluster_seed, self.corrected)
