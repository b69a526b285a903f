"""The official frame loop: references, previous frame, late objects, flip and scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.torch_adapter import TorchSession

from ..cfbi_line.preparation import network_size, prepare
from .network import MatchingNetwork
from .references import Embedding, MatchingOptions, References


@dataclass(frozen=True)
class Inputs:
    """Which versions of a frame are segmented; their probabilities are averaged."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    max_edge: float | None = None
    """Longest edge before `scales`; None = 1040, or 800 with any other list of scales than (1.0,)."""

    @property
    def longest(self) -> float:
        """`max_edge` with the official default filled in."""
        return self.max_edge if self.max_edge is not None else (1040.0 if self.scales == (1.0,) else 800.0)


@dataclass
class View:
    """One version (scale, mirrored or not) of the video, with a memory of its own."""

    size: tuple[int, int]
    flip: bool
    references: References
    current: Embedding | None = None
    previous: Embedding | None = None


class Session(TorchSession):
    """One video. Network slots: 0 background, k the k-th smallest of all ids the video ever prompts."""

    def __init__(
        self,
        network: MatchingNetwork,
        video: Video,
        inputs: Inputs,
        options: MatchingOptions,
        device: str = "cpu",
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.network = network
        self.device = device
        self.size = video.size
        # Official ids are literal and dense. An id between that has not appeared yet is an (empty) slot, too.
        self.ids.ids = list(video.object_ids)
        self.slots = 0
        """Background and all ids up to the largest that appeared on an *earlier* frame; 0 before the first."""
        self.seen = {0}
        """Slots whose object has appeared; the empty ones between take part in matching, but no pixel is theirs."""
        self.labels = torch.zeros(0)
        """The previous frame's hard labels, H x W slots; no probability is fed forward."""
        self.views = [
            View(network_size(video.size, inputs.longest, scale), flip, References(network.scales, options))
            for scale in inputs.scales
            for flip in ([False, True] if inputs.flip else [False])
        ]

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame; a prompt's objects are copied over the prediction."""
        given = None if prompt is None or not prompt.any() else self.to_slots(prompt)
        if self.slots == 0 and given is not None:
            self.observe(frame)
            labels = given
        else:
            # argmax of a float32 mean of softmaxes, as published: ties go to the smaller slot.
            probabilities = self.probabilities(self.predict(frame))
            probabilities[[slot for slot in range(self.slots) if slot not in self.seen]] = 0
            labels = strongest(probabilities).to(torch.uint8)
            if given is not None:
                labels = torch.where(given > 0, given, labels)
        self.commit(labels, given)
        return self.ids.to_original(labels.cpu().numpy())

    def to_slots(self, prompt: Mask) -> Tensor:
        """Original ids -> slots, uint8 H x W; ids the video never announced become background."""
        return torch.from_numpy(self.ids.to_dense(prompt)).to(self.device)

    def observe(self, frame: Frame) -> None:
        """Embed a frame for every view."""
        for view in self.views:
            image = prepare(frame, view.size).to(self.device)
            view.current = self.network.embed(image.flip(-1) if view.flip else image)

    def predict(self, frame: Frame) -> list[Tensor]:
        """Embed a frame and return every view's logits, 1 x slots x h/4 x w/4, still flipped where the view is."""
        self.observe(frame)
        return [self._logits(view) for view in self.views]

    def _logits(self, view: View) -> Tensor:
        if view.current is None or view.previous is None:
            raise RuntimeError("predict before the first frame was committed")
        labels = self.labels.flip(-1) if view.flip else self.labels
        return self.network.segment(view.current, view.references, view.previous, labels, self.slots)

    def probabilities(self, logits: Sequence[Tensor]) -> Tensor:
        """Mean over the views of the softmax at full size, slots x H x W."""
        total: Tensor | None = None
        for view, values in zip(self.views, logits):
            # Labels were sampled by floor, images by cubic; logits return with aligned corners. Weights expect it.
            full = F.interpolate(values.float(), size=self.size, mode="bilinear", align_corners=True)[0].softmax(0)
            full = full.flip(-1) if view.flip else full
            total = full if total is None else total + full
        if total is None:
            raise RuntimeError("no view")
        return total / len(self.views)

    def commit(self, labels: Tensor, given: Tensor | None) -> None:
        """End a frame: `labels` (merged, uint8 H x W slots) become the previous mask; with a prompt also a reference.

        All views share the fused labels.
        """
        if given is not None:
            # The new object gets its slot only from the next frame on.
            self.slots = max(self.slots, int(given.max()) + 1)
            self.seen.update(torch.unique(given).tolist())
        for view in self.views:
            if view.current is None:
                raise RuntimeError("commit before a frame was observed")
            if given is not None:
                view.references.add(view.current, labels.flip(-1) if view.flip else labels, self.slots)
            view.previous, view.current = view.current, None
        self.labels = labels
