"""A median filter in front of another model, as a defence to be attacked: gradients pass through the filter.

rvos-bench run --model benchmarks/filtered.py:Filtered --option base=aot.lite --option side=5
rvos-bench attack --model benchmarks/filtered.py:Filtered --option base=aot.lite --output attacked
"""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench import ModelCard, TorchAdapter, TorchSession, Video, load_adapter
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import UsageError


def median(frame: Tensor, side: int) -> Tensor:
    """The median of side x side values around each value of a frame, float 3 x H x W; edges are repeated."""
    border = side // 2
    wide = F.pad(frame[None], (border, border, border, border), mode="replicate")[0]
    return wide.unfold(1, side, 1).unfold(2, side, 1).flatten(3).median(3).values


class FilteredSession(TorchSession):
    """A video of the other model, whose frames are filtered before it sees them."""

    def __init__(self, inner: TorchSession, side: int) -> None:
        super().__init__(inner.precision)
        self.inner, self.side = inner, side
        self.ids, self.diagnostics = inner.ids, inner.diagnostics

    def image(self, frame: Frame | Tensor) -> Any:
        """What the other model makes of the filtered frame; RGB uint8 H x W x 3, or a float tensor 3 x H x W."""
        if isinstance(frame, Tensor):
            return self.inner.image(median(frame, self.side))
        return self.inner.image(np.asarray(cv2.medianBlur(frame, self.side), np.uint8))  # the same values, sooner

    def observe(self, image: Any, prompt: Mask | None, last: bool) -> Any:
        """As the other model does."""
        return self.inner.observe(image, prompt, last)

    def labels(self, scores: Any) -> Mask:
        """As the other model does."""
        return self.inner.labels(scores)

    def logits(self, scores: Any) -> Tensor:
        """As the other model does."""
        return self.inner.logits(scores)


class Filtered(TorchAdapter):
    """Another model behind a median filter. base: its name, with weights that are here. side: of the filter, odd, at
    least 3."""

    card = ModelCard("filtered", title="A median filter in front of another model", license="MIT", differentiable=True)

    def __init__(
        self,
        checkpoint: str | None = None,
        device: str = "cpu",
        *,
        base: str = "aot.lite",
        side: Annotated[int, Meta(ge=3)] = 5,
    ) -> None:
        if side % 2 == 0:
            raise UsageError(f"side is {side}: an odd number is needed, so that there is a pixel in the middle")
        inner = load_adapter(base, checkpoint, device)
        if not isinstance(inner, TorchAdapter):
            raise UsageError(f"base {base!r} is no torch model")
        self.inner, self.side = inner, side
        super().__init__(None, device)

    def build(self) -> nn.Module:
        """The network of the other model, trained."""
        return self.inner.network

    def session(self, video: Video) -> FilteredSession:
        """A session of the other model, behind the filter."""
        inner = self.inner.session(video)
        if not isinstance(inner, TorchSession):
            raise UsageError(f"model {self.inner.card.name!r} has no session of steps")
        return FilteredSession(inner, self.side)
