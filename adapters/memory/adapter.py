"""Base of the adapters of the STM line: options, weights, a session per video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta
from torch import nn

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import load_strict, read_state
from robust_vos_bench.models.torch_adapter import TorchAdapter

from ..common.siblings import hint
from ..encoders.fold import prepare
from .network import MemoryNetwork
from .session import MemorySession, Schedule
from .sizes import Interpolation, Sizes
from .untrained import UNTRAINED


class LineAdapter(TorchAdapter):
    """A network of the STM line or a relative: untrained weights, and checkpoints of a sibling named."""

    untrained = UNTRAINED

    def __init__(self, checkpoint: Checkpoint = None, device: str = "cpu", **options: Any) -> None:
        super().__init__(checkpoint, device, **options)
        prepare(self.network, device)

    def load(self, network: nn.Module, path: Path) -> None:
        """Load a checkpoint strictly; one of another system is named in the error."""
        state = read_state(path)
        load_strict(network, self.official(state), str(path), hint=hint(state, self.model))

    @property
    def model(self) -> str:
        """The name of the model, as in `siblings`: that of the module which its class lies in."""
        return type(self).__module__.rpartition(".")[2]


class MemoryAdapter(LineAdapter):
    """A network of the STM line over a video.

    mem_every: frames between frames remembered for good. include_last: the frame before is remembered too, until the
    next one. top_k: how many memory cells count for a pixel, None for all. size: short side of the network's image,
    None for the frames' own. max_memory_frames: bound on remembered frames (None: no bound, as published); frames
    with given masks stay, of the others the oldest is dropped. amp: autocast on a GPU; matching stays in float32.
    """

    network: MemoryNetwork

    loop: ClassVar[type[MemorySession]] = MemorySession
    """The loop over a video."""
    interpolation: ClassVar[Interpolation] = "bicubic"
    """How frames are resized."""

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        mem_every: Annotated[int, Meta(ge=1)] = 5,
        include_last: bool = False,
        top_k: Annotated[int, Meta(ge=1)] | None = 20,
        size: Annotated[int, Meta(ge=16)] | None = 480,
        max_memory_frames: Annotated[int, Meta(ge=1)] | None = None,
        **options: Any,
    ) -> None:
        self.schedule = Schedule(mem_every, include_last, top_k, max_memory_frames)
        self.size = size
        super().__init__(checkpoint, device, **options)

    def session(self, video: Video) -> MemorySession:
        """A loop with an empty memory."""
        sizes = Sizes(video.size, self.size, self.interpolation)
        return self.loop(self.network, sizes, self.schedule, self.device, self.precision)
