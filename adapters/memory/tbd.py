"""TBD (Cho et al. 2022) over a video: no memory of frames, but templates of constant size per object."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.torch_adapter import TorchSession

from ..common.tensors import image_tensor
from .adapter import LineAdapter
from .tbd_network import TBD, State, shares

TINY = 1000
"""Pixels at the reduced size below which a given object keeps the whole video at its own size (official)."""


class TBDAdapter(LineAdapter):
    """TBD with the official settings.

    size: short side of the network's image, None for the frames' own. A video with a tiny object is not resized.
    """

    network: TBD

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        size: Annotated[int, Meta(ge=32)] | None = 480,
        **options: Any,
    ) -> None:
        self.size = size
        super().__init__(checkpoint, device, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return TBD()

    def session(self, video: Video) -> TBDSession:
        """Templates not yet made, at a size that suits the given objects."""
        inner = inner_size(video, self.size)
        session = TBDSession(self.network, video.size, inner, self.device, self.precision)
        if self.size is not None and inner == video.size and min(inner) != self.size:
            session.warn(f"an object has fewer than {TINY} pixels at {self.size}: not resized (official)")
        return session


def inner_size(video: Video, size: int | None) -> tuple[int, int]:
    """The size at which a video is segmented: short side to `size`, unless a given object is tiny there."""
    height, width = video.size
    if size is None or min(height, width) == size:
        return video.size
    ratio = size / min(height, width)
    inner = (int(ratio * height), size) if height > width else (size, int(ratio * width))
    for prompt in video.prompts.values():
        small = F.interpolate(torch.from_numpy(np.array(prompt))[None, None].float(), inner, mode="nearest")
        counts = np.bincount(small.byte().numpy().ravel(), minlength=256)[1:]
        if bool(((counts > 0) & (counts < TINY)).any()):
            return video.size
    return inner


class TBDSession(TorchSession):
    """One video. frame: (H, W) of its frames. inner: (H, W) of the network's image before padding."""

    def __init__(
        self,
        network: TBD,
        frame: tuple[int, int],
        inner: tuple[int, int],
        device: str,
        precision: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(precision)
        self.network, self.frame, self.inner, self.device = network, frame, inner, device
        rows, columns = -inner[0] % 16, -inner[1] % 16
        self.pads = ((columns + 1) // 2, columns // 2, (rows + 1) // 2, rows // 2)
        self.nearness: Tensor | None = None
        self.states: list[State] = []
        self.probabilities = torch.empty(0)
        """Of the last frame, (1 + k) x H' x W' at the network's size, without padding."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame."""
        network = self.network
        features = network.vos.encoder(self._pad(self._resize(image_tensor(frame, self.device), "bicubic")))
        key = network.vos.matcher.key(features[0])
        if self.nearness is None:
            self.nearness = network.nearness(*features[0].shape[-2:])
        masks = []
        if self.states:
            sides = network.vos.decoder.sides(features)
            masks = [network.segment(sides, key, self.nearness, state) for state in self.states]
        new = [] if prompt is None else self.ids.add(prompt)
        first = not masks
        if prompt is not None and new:
            dense = torch.from_numpy(self.ids.to_dense(prompt)).to(self.device)
            given = self._pad(self._resize(dense[None, None].float(), "nearest"))[0, 0]
            for channel in range(len(self.ids) - len(new) + 1, len(self.ids) + 1):
                own = given == channel
                masks.append(torch.stack([~own, own]).float())
                self.states.append(network.vos.matcher.start(key, masks[-1]))
        found = shares(torch.stack(masks).float())
        if not last and not first:
            follow = network.vos.matcher.follow
            soft = [torch.stack([1 - share, share]) for share in found[1:]]
            self.states = [follow(state, key, mask) for state, mask in zip(self.states, soft)]
        left, right, top, bottom = self.pads
        self.probabilities = found[:, top : found.shape[1] - bottom, left : found.shape[2] - right]
        enlarged = self.probabilities
        if self.inner != self.frame:  # the official code leaves its labels at the reduced size
            enlarged = F.interpolate(enlarged[None], self.frame, mode="bilinear", align_corners=False)[0]
        mask = self.ids.to_original(strongest(enlarged).cpu().numpy())
        return np.where(prompt > 0, prompt, mask) if prompt is not None and new else mask

    def _resize(self, tensor: Tensor, mode: str) -> Tensor:
        if self.inner == self.frame:
            return tensor
        if mode == "nearest":
            return F.interpolate(tensor, self.inner, mode=mode)
        return F.interpolate(tensor, self.inner, mode=mode, align_corners=False)

    def _pad(self, tensor: Tensor) -> Tensor:
        return F.pad(tensor, self.pads, mode="reflect")
