"""The adapter of label propagation: its encoder and its options."""

from __future__ import annotations

from typing import Annotated, cast

import torch
from msgspec import Meta

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models.adapter import Checkpoint

from ..common.torch_adapter import TorchAdapter
from ..encoders.efficientnet_lite import EfficientNetLite0, folded, pretrained
from . import CARD
from .session import PropagationSession


class LabelPropagation(TorchAdapter):
    """Training-free: labels come from the most similar cells of the first and the last few frames.

    size: frames whose short side is longer are scaled down to it. memory: recent frames remembered, not counting
    those with a prompt. radius: how far an object may have moved since a remembered frame, as a share of the short side
    (64 pixels at least). topk, temperature: of the softmax over candidate cells. The search runs at stride 8; labels
    are read at stride 4 in small windows about its matches, fitted to the colours of the frame, and remembered as the
    mask they make.
    """

    card = CARD

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        size: Annotated[int, Meta(ge=32)] = 480,
        memory: Annotated[int, Meta(ge=1)] = 3,
        radius: Annotated[float, Meta(gt=0, le=1)] = 0.2,
        topk: Annotated[int, Meta(ge=1)] = 10,
        temperature: Annotated[float, Meta(gt=0)] = 0.05,
        amp: bool = False,
    ) -> None:
        super().__init__(checkpoint, device, amp=amp)
        self.size, self.memory, self.radius = size, memory, radius
        self.topk, self.temperature = topk, temperature
        self.encoder = folded(cast(EfficientNetLite0, self.network))
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def build(self) -> EfficientNetLite0:
        """EfficientNet-Lite0 with its ImageNet weights."""
        return pretrained()

    def session(self, video: Video) -> PropagationSession:
        """No frame is remembered yet."""
        return PropagationSession(self, video)
