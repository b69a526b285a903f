"""The adapter of SAM 2.1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from sam2.modeling.sam2_base import SAM2Base
from torch import nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.torch_adapter import TorchAdapter, TorchSession

from ..common.tensors import refuse_not_finite
from . import build
from .tracking import Tracker
from .untrained import UNTRAINED


class SAM2Adapter(TorchAdapter):
    """SAM 2.1 in the official setting of semi-supervised VOS: masks given, no clicks, no postprocessing.

    size: side of the square that frames are squashed to, 1024 as trained. amp: bfloat16 autocast, as published; None:
    on a GPU only. Without it everything is in float32, which the package's own predictor cannot do.
    """

    untrained = UNTRAINED
    network: SAM2Base

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        variant: Literal["tiny", "small", "base_plus", "large"] = "base_plus",
        size: Annotated[int, Meta(ge=64, multiple_of=32)] = 1024,
        amp: bool | None = None,
        **options: Any,
    ) -> None:
        self.variant, self.size = variant, size
        # Processors without bfloat16 instructions take ten times as long with it.
        super().__init__(checkpoint, device, amp=device.startswith("cuda") if amp is None else amp, **options)

    def build(self) -> nn.Module:
        """The package's network, without weights."""
        out: nn.Module = build.network(self.variant, self.size)
        return out

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """No gradients; bfloat16 where `amp` is on, on a CPU too."""
        with torch.no_grad(), torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.amp):
            yield

    def session(self, video: Video) -> Session:
        """No object is tracked yet."""
        return Session(self, video)


class Session(TorchSession):
    """One video."""

    def __init__(self, adapter: SAM2Adapter, video: Video) -> None:
        super().__init__(adapter.precision)
        self.frame = video.size
        self.next = video.first_prompt
        self.tracker = Tracker(adapter.network, len(video), adapter.amp)
        self.logits = torch.empty(0)
        """Of the last frame, k x H x W at the frame's size, objects in order of arrival."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame."""
        t, self.next = self.next, self.next + 1
        new = [] if prompt is None else self.ids.add(prompt)
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
        refuse_not_finite(best)
        return torch.where(best > 0, channel + 1, 0)
