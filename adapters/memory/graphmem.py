"""GraphMemVOS (Lu et al. 2020): every query reads six frames spread over the past, and is gated by what it read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.torch_adapter import Seen, TorchSession

from ..common.tensors import aggregate, log_of
from .adapter import LineAdapter
from .graph_network import GraphMemVOS
from .network import Query
from .sampled_bank import SampledBank
from .session import MemorySession, Schedule
from .sizes import AlignedSizes


class GraphMemSession(MemorySession):
    """Remembers every frame. frames: of the video, from the first one that this session sees."""

    network: GraphMemVOS

    def __init__(self, frames: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.left = frames
        """Frames that are still to come."""

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        """Probabilities of the next frame, (1 + k) x H' x W' at the network's size, without padding."""
        seen = super().observe(image, prompt, last)
        self.left -= 1
        return seen

    def new_bank(self) -> SampledBank:
        """An empty memory for a group, whose frames count from the current one."""
        return SampledBank(self.left, self.schedule.max_frames)

    def predict(self, query: Query) -> Tensor:
        """Aggregated probabilities (1 + k) x H x W."""
        states = []
        for _, bank in self.groups:
            assert isinstance(bank, SampledBank)
            readout = bank.read(query.key)
            states.append(readout if bank.seen == 1 else self.network.Memory(readout, query.value))
        return aggregate(self.network.decode(torch.cat(states), query).float())


class FlippedSession(TorchSession):
    """Two runs over a video, one of them over mirrored frames and masks; their probabilities are averaged."""

    def __init__(
        self,
        runs: tuple[GraphMemSession, GraphMemSession],
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.runs = runs
        self.probabilities = torch.empty(0)
        """Of the last frame, (1 + k) x H x W at the size of the frames."""

        self.ids = runs[0].ids

    def image(self, frame: Frame | Tensor) -> tuple[Tensor, Tensor]:
        """The network's images, plain and mirrored."""
        mirrored = frame.flip(-1) if isinstance(frame, Tensor) else frame[:, ::-1]
        return self.runs[0].image(frame), self.runs[1].image(mirrored)

    def observe(self, image: tuple[Tensor, Tensor], prompt: Mask | None, last: bool) -> Seen:
        """Probabilities of the next frame, (1 + k) x H x W."""
        plain, mirrored = self.runs
        given = plain.observe(image[0], prompt, last).given
        mirrored.observe(image[1], None if prompt is None else prompt[:, ::-1], last)
        found = [run.sizes.enlarged(run.probabilities) for run in self.runs]
        self.probabilities = (found[0] + found[1].flip(-1)) / 2
        return Seen(self.probabilities, given)

    def logits(self, scores: Seen) -> Tensor:
        """Logarithms of the probabilities."""
        return super().logits(scores._replace(scores=log_of(scores.scores)))


class GraphMemAdapter(LineAdapter):
    """GraphMemVOS with the official settings, published for DAVIS alone.

    flip: average with a second run over mirrored frames, as for the published scores; twice the time and memory. size:
    height of the network's image, None for the frames' own. max_memory_frames: bound on remembered frames beside the
    one before (None: all that will be looked at again, as published). Late objects: the official code has none. Here
    each group has a memory of its own, whose frames count from the one on which the group appeared.
    """

    network: GraphMemVOS

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        flip: bool = False,
        size: Annotated[int, Meta(ge=16)] | None = 480,
        max_memory_frames: Annotated[int, Meta(ge=1)] | None = None,
        **options: Any,
    ) -> None:
        self.flip, self.size, self.max_memory_frames = flip, size, max_memory_frames
        super().__init__(checkpoint, device, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return GraphMemVOS()

    def session(self, video: Video) -> GraphMemSession | FlippedSession:
        """A loop with an empty memory; with `flip`, two."""
        frames = len(video) - (video.first_prompt if video.prompts else 0)
        sizes = AlignedSizes(video.size, self.size)
        schedule = Schedule(1, False, None, self.max_memory_frames)

        def one() -> GraphMemSession:
            return GraphMemSession(frames, self.network, sizes, schedule, self.device, self.precision)

        return FlippedSession((one(), one()), self.precision) if self.flip else one()
