"""The loop of the STM line over one video: match, aggregate, remember. Objects may appear on any frame."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.models.torch_adapter import Seen, TorchSession

from ..common.tensors import aggregate, image_tensor, log_of
from .bank import Bank
from .network import MemoryNetwork, Query
from .sizes import Sizes


@dataclass(frozen=True)
class Schedule:
    """What is remembered, and how it is read."""

    every: int
    """A frame is remembered for good when it is this many after the last one that was."""
    last_too: bool
    """Other frames are remembered until the next one."""
    top_k: int | None
    max_frames: int | None = None


class MemorySession(TorchSession):
    """One video.

    Each group of objects that came on the same frame has a memory bank, and all share the frame's features (the
    official YouTube-VOS loops hold a bank per object, which gives the same). A given mask replaces the
    prediction, and its frame is remembered for all groups. The last frame is not remembered.
    """

    _since = 0
    """Frames since the last one that was remembered for good."""

    def __init__(
        self,
        network: MemoryNetwork,
        sizes: Sizes,
        schedule: Schedule,
        device: str = "cpu",
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.network, self.sizes, self.schedule, self.device = network, sizes, schedule, device
        self.groups: list[tuple[slice, Bank]] = []
        self.everything = torch.empty(0)
        """Of the last frame, (1 + k) x H x W at the network's size, with padding."""
        self.probabilities = torch.empty(0)
        """Of the last frame, (1 + k) x H' x W' at the network's size, without padding."""

    def image(self, frame: Frame | Tensor) -> Tensor:
        """The network's image, padded."""
        return self.sizes.image(image_tensor(frame, self.device), not self.network.normalises)

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        """Probabilities of the next frame, (1 + k) x H' x W' at the network's size, without padding."""
        query = self.look(image) if self.groups or self.network.one_encoder else None
        everything: Tensor | None = None
        if query is not None and self.groups:
            everything = self.predict(query)
        new = [] if prompt is None else self.ids.add(prompt)
        if prompt is not None and new:
            given = self.sizes.masks(torch.from_numpy(np.array(prompt)).to(self.device), new)
            everything, masks = self.merge(everything, given)
            count = len(self.ids)
            self.groups.append((slice(count - len(new), count), self.new_bank()))
        else:
            assert everything is not None  # `step` refuses a first frame without a prompt
            masks = everything[1:]
        self._since += 1
        if not last:
            self.consider(image, query, masks, bool(new))
        self.everything = everything
        self.probabilities = self.sizes.unpad(everything)
        return Seen(self.probabilities, self.given(prompt, self.device) if prompt is not None and new else None)

    def labels(self, scores: Seen) -> Mask:
        """The best channel of each of the frame's pixels."""
        return super().labels(scores._replace(scores=self.sizes.enlarged(scores.scores)))

    def logits(self, scores: Seen) -> Tensor:
        """Logarithms of the probabilities at the frame's size."""
        return super().logits(scores._replace(scores=log_of(self.sizes.enlarged(scores.scores))))

    def look(self, image: Tensor) -> Query:
        """Features of the current frame."""
        return self.network.encode_query(image)

    def new_bank(self) -> Bank:
        """An empty memory for a group."""
        return self.network.bank(self.schedule.top_k, self.schedule.max_frames)

    def predict(self, query: Query) -> Tensor:
        """Aggregated probabilities (1 + k) x H x W."""
        readout = torch.cat([bank.read(query.key) for _, bank in self.groups])
        return aggregate(self.network.decode(readout, query).float())

    def merge(self, predicted: Tensor | None, given: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions under given masks are wiped out: new aggregated probabilities, and the masks to remember."""
        masks = given
        if predicted is not None:
            masks = torch.cat([predicted[1:] * (given.sum(0) <= 0.5), given])
        everything = aggregate(masks)
        return everything, masks if self.network.hard_prompts else everything[1:]

    def consider(self, image: Tensor, query: Query | None, masks: Tensor, given: bool) -> None:
        """Remember the frame if it is its turn. masks: k x H x W of all objects."""
        for_good = given or self._since >= self.schedule.every
        if for_good or self.schedule.last_too:
            self.remember(image, query, masks, not for_good, given)
        if for_good:
            self._since = 0

    def remember(self, image: Tensor, query: Query | None, masks: Tensor, temporary: bool, given: bool) -> None:
        """Add the frame to every group's memory."""
        if self.network.crops:
            masks = self.sizes.pad(self.sizes.unpad(masks))
        key, value = self.network.encode_memory(image, query, masks[:, None])
        for objects, bank in self.groups:
            bank.add(key if len(key) == 1 else key[objects], value[objects], temporary, given)
        self._check(key)

    def _check(self, key: Tensor) -> None:
        rows = key.shape[-2] * key.shape[-1]
        if self.schedule.top_k is not None and self.schedule.top_k > rows:
            self.warn(
                f"top_k {self.schedule.top_k} exceeds the {rows} cells of a frame; all of a small memory are read"
            )
