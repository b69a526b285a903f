"""The adapter of SAM 2.1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sam2.modeling.sam2_base import SAM2Base
from torch import nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint

from ..kit.ids import IdMap
from ..kit.torch_adapter import TorchAdapter
from . import build
from .recipe import recipe
from .tracking import Tracker


class SAM2Adapter(TorchAdapter):
    """SAM 2.1 in the official setting of semi-supervised VOS: masks given, no clicks, no postprocessing.

    size: side of the square that frames are squashed to, 1024 as trained. amp: bfloat16 autocast, as published; None:
    on a GPU only. Without it everything is in float32, which the package's own predictor cannot do.
    """

    network: SAM2Base

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        variant: Literal["tiny", "small", "base_plus", "large"] = "base_plus",
        size: int = 1024,
        amp: bool | None = None,
        **options: Any,
    ) -> None:
        if size < 64 or size % 32:
            raise UsageError(f"size {size}: must be a multiple of 32, at least 64")
        self.variant, self.size = variant, size
        # Processors without bfloat16 instructions take ten times as long with it.
        super().__init__(checkpoint, device, amp=device.startswith("cuda") if amp is None else amp, **options)
        self.session: Session | None = None

    def build(self) -> nn.Module:
        """The package's network, without weights."""
        return build.network(self.variant, self.size)

    def recipe(self, name: str, shape: tuple[int, ...]) -> NDArray[np.floating] | None:
        """Untrained weights whose masks show the given objects."""
        return recipe(name, shape)

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """No gradients; bfloat16 where `amp` is on, on a CPU too."""
        with torch.no_grad(), torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.amp):
            yield

    def reset(self, video: Video) -> None:
        """Start a video."""
        self.diagnostics: list[str] = []
        self.session = Session(self, video)

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment the next frame of the video started last."""
        if self.session is None:
            raise UsageError("call reset(video) before step()")
        with self.precision():
            return self.session.step(frame, prompt)


class Session:
    """One video."""

    def __init__(self, adapter: SAM2Adapter, video: Video) -> None:
        self.frame = video.size
        self.next = video.first_prompt
        self.tracker = Tracker(adapter.network, len(video), adapter.amp)
        self.ids = IdMap()
        self.logits = torch.empty(0)
        """Of the last frame, k x H x W at the frame's size, objects in order of arrival."""

    def step(self, frame: Frame, prompt: Mask | None) -> Mask:
        """Labels of the next frame; the first one must have a prompt."""
        t, self.next = self.next, self.next + 1
        new = [] if prompt is None else self.ids.add(prompt)
        if not len(self.ids):
            raise UsageError("the first frame sent to the model has no prompt")
        features = self.tracker.look(frame)
        found = self.tracker.follow(t, features)
        if prompt is not None:
            found += [self.tracker.start(t, features, prompt == i) for i in new]
        logits = torch.cat(found).float()
        self.logits = F.interpolate(logits, self.frame, mode="bilinear", align_corners=False)[:, 0]
        labels = self.ids.to_original(self.labels().cpu().numpy())
        return np.where(np.isin(prompt, new), prompt, labels) if prompt is not None and new else labels

    def labels(self) -> torch.Tensor:
        """0 where no logit is positive, else the channel 1..k of the largest."""
        best, channel = self.logits.max(0)
        return torch.where(best > 0, channel + 1, 0)
