"""Models through which gradients pass: frames in as float tensors, scores before the argmax out.

`segment` and `roll_out` are two loops over the same steps of a session, so that what is attacked is what is scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import VOSAdapter

if TYPE_CHECKING:
    from typing_extensions import Self


class Scores(NamedTuple):
    """Scores of one frame, before the argmax."""

    values: Tensor
    """float32 (1 + k) x H x W at the frame's size, slot 0 the background. The argmax over dimension 0 gives the labels
    that `segment` yields. They are logits: softmax over dimension 0 gives the network's probabilities. Pixels that the
    prompt of this frame shows hold constants."""
    ids: tuple[int, ...]
    """The original ids of slots 1..k."""

    def mask(self) -> Mask:
        """What `segment` yields: uint8 H x W of original ids."""
        table = np.array((0, *self.ids), np.uint8)
        labels: Mask = table[torch.max(self.values.detach(), 0).indices.cpu().numpy()]
        return labels


class Rolling(Protocol):
    """A video under way, frame by frame; `Differentiable.roll_out` drives one from end to end."""

    def step(self, frame: Tensor) -> Scores | None:
        """Take the next frame (as in `roll_out`); None before the first prompt."""
        ...

    def detach(self) -> None:
        """Keep what is remembered, and let no gradient pass from later frames to those before."""
        ...

    def copy(self) -> Self:
        """A second rolling at this frame, detached: both go on by themselves, so that a window can be tried again."""
        ...


class Differentiable(Protocol):
    """A model that can be attacked with gradients.

    Parameters stay frozen. Gradients are recorded where the caller records them: under `torch.no_grad()` the same
    loop is as fast as `segment`. Features and soft masks pass gradients through memory; labels that a network
    remembers as hard ones pass none.
    """

    def roll_out(self, frames: Iterable[Tensor], video: Video) -> Iterator[Scores | None]:
        """Scores of every frame in order.

        frames: float32 3 x H x W, RGB, 0..255, on the model's device; some may require gradients. They stand for
        decoded pixels: whole numbers, rounded by the caller. video: size, length, prompts; its frames are not read.
        None for frames before the first prompt.
        """
        ...

    def rolling(self, video: Video, *, checkpointed: bool = False) -> Rolling:
        """The same frame by frame. checkpointed: every frame is computed a second time in the backward pass, and
        only what is remembered between frames is kept."""
        ...


def differentiable(adapter: VOSAdapter) -> bool:
    """Whether a loaded model has `roll_out` (`ModelCard.differentiable`)."""
    return adapter.card.differentiable and hasattr(adapter, "roll_out")


def as_differentiable(adapter: VOSAdapter) -> Differentiable:
    """The model as one that has `roll_out`. Raises UsageError for one without."""
    if not differentiable(adapter):
        raise UsageError(
            f"model {adapter.card.name!r} passes no gradients (roll_out): attack it as a black box, or give its "
            "session `image` and `observe` (docs/your-model.md)"
        )
    return cast(Differentiable, adapter)
