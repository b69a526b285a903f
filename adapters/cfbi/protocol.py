"""The official frame loop: references, previous frame, late objects, flip and scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.argmax import strongest, with_given, without
from robust_vos_bench.models.torch_adapter import Seen, TorchSession

from ..cfbi_line.preparation import network_size, prepare
from ..common.tensors import log_mean
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
        self.before = torch.zeros(0)
        """The previous frame's hard labels, H x W slots; no probability is fed forward."""
        self.views = [
            View(network_size(video.size, inputs.longest, scale), flip, References(network.scales, options))
            for scale in inputs.scales
            for flip in ([False, True] if inputs.flip else [False])
        ]

    def image(self, frame: Frame | Tensor) -> list[Tensor]:
        """The network's image of every view."""
        images = [prepare(frame, view.size).to(self.device) for view in self.views]
        return [image.flip(-1) if view.flip else image for view, image in zip(self.views, images)]

    def observe(self, image: list[Tensor], prompt: Mask | None, last: bool) -> Seen:
        """Logits of every view of the next frame and the slots that no pixel may get; a prompt's objects are copied
        over the prediction."""
        given = None if prompt is None or not prompt.any() else self.to_slots(prompt)
        scores: tuple[list[Tensor], list[int]] | None = None
        if self.slots == 0 and given is not None:
            self.embed(image)
            labels = given
        else:
            hidden = [slot for slot in range(self.slots) if slot not in self.seen]
            whole = self.enlarged(self.predict(image))
            scores = whole, hidden
            # argmax of a float32 mean of softmaxes, as published: ties go to the smaller slot.
            probabilities = self.probabilities([each.detach() for each in whole])
            probabilities[hidden] = 0
            labels = strongest(probabilities).to(torch.uint8)
            if given is not None:
                labels = torch.where(given > 0, given, labels)
        self.commit(labels, given)
        return Seen(scores, given, labels)

    def logits(self, scores: Seen) -> Tensor:
        """Of all views together, slots x H x W."""
        found: Tensor | None = None
        if scores.scores is not None:
            whole, hidden = scores.scores
            views = [each.flip(-1) if view.flip else each for view, each in zip(self.views, whole)]
            found = without(views[0] if len(views) == 1 else log_mean(views, 0), hidden)
            if scores.given is None:
                return found
        assert scores.given is not None
        return with_given(found, scores.given, self.slots)

    def to_slots(self, prompt: Mask) -> Tensor:
        """Original ids -> slots, uint8 H x W; ids the video never announced become background."""
        return torch.from_numpy(self.ids.to_dense(prompt)).to(self.device)

    def embed(self, images: Sequence[Tensor]) -> None:
        """Embed a frame for every view."""
        for view, image in zip(self.views, images):
            view.current = self.network.embed(image)

    def predict(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Embed a frame and return every view's logits, 1 x slots x h/4 x w/4, still flipped where the view is."""
        self.embed(images)
        return [self._logits(view) for view in self.views]

    def _logits(self, view: View) -> Tensor:
        if view.current is None or view.previous is None:
            raise RuntimeError("predict before the first frame was committed")
        labels = self.before.flip(-1) if view.flip else self.before
        return self.network.segment(view.current, view.references, view.previous, labels, self.slots)

    def enlarged(self, logits: Sequence[Tensor]) -> list[Tensor]:
        """Every view's logits at full size, slots x H x W, still flipped."""
        # Labels were sampled by floor, images by cubic; logits return with aligned corners. Weights expect it.
        return [F.interpolate(v.float(), size=self.size, mode="bilinear", align_corners=True)[0] for v in logits]

    def probabilities(self, whole: Sequence[Tensor]) -> Tensor:
        """Mean over the views of the softmax of logits at full size, slots x H x W."""
        total: Tensor | None = None
        for view, values in zip(self.views, whole):
            full = values.softmax(0)
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
        self.before = labels
