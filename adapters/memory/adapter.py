"""Base of the adapters of the STM line: options, weights, a session for each video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import load_strict, read_state

from ..encoders.fold import fold_norms
from ..kit.torch_adapter import TorchAdapter
from .network import MemoryNetwork
from .recipe import recipe
from .session import Schedule, Session
from .sizes import Sizes


def prepare(network: nn.Module, device: str) -> None:
    """Make a loaded network fast without changing what it computes: norms folded; on a CPU, channels last."""
    fold_norms(network)
    if device == "cpu" and getattr(network, "channels_last", True):
        for part in network.modules():
            if isinstance(part, nn.Conv2d):
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class MemoryAdapter(TorchAdapter):
    """A network of the STM line over a video.

    mem_every: frames between frames remembered for good. include_last: the frame before is remembered too, until the
    next one. top_k: how many memory cells count for a pixel, None for all. size: short side of the network's image,
    None for the frames' own. max_memory_frames: bound on remembered frames (None: no bound, as published); frames
    with given masks stay, of the others the oldest goes. amp: autocast on a GPU; matching stays in float32.
    """

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        mem_every: int = 5,
        include_last: bool = False,
        top_k: int | None = 20,
        size: int | None = 480,
        max_memory_frames: int | None = None,
        **options: Any,
    ) -> None:
        for option, value, least in (
            ("mem_every", mem_every, 1),
            ("top_k", top_k, 1),
            ("size", size, 16),
            ("max_memory_frames", max_memory_frames, 1),
        ):
            if value is not None and value < least:
                raise UsageError(f"{option} {value}: must be at least {least}")
        self.schedule = Schedule(mem_every, include_last, top_k, max_memory_frames)
        self.size = size
        super().__init__(checkpoint, device, **options)
        prepare(self.network, device)
        self.session: Session | None = None

    network: MemoryNetwork

    def recipe(self, name: str, shape: tuple[int, ...]) -> NDArray[np.floating] | None:
        """The weights of the shared parity values."""
        return recipe(name, shape)

    def load(self, network: nn.Module, path: Path) -> None:
        """Load an official file strictly."""
        load_strict(network, read_state(path), str(path))

    def reset(self, video: Video) -> None:
        """Start a video."""
        self.diagnostics: list[str] = []
        self.session = self.new_session(video)

    def new_session(self, video: Video) -> Session:
        """The loop over a video."""
        return Session(self.network, Sizes(video.size, self.size), self.schedule, self.device, self.warn)

    def warn(self, text: str) -> None:
        """Add a diagnostic of the video in hand, once."""
        if text not in self.diagnostics:
            self.diagnostics.append(text)

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment the next frame of the video started last."""
        if self.session is None:
            raise UsageError("call reset(video) before step()")
        with self.precision():
            return self.session.step(frame, prompt, last)
