"""The adapter of the three lite models, and their loop over a video: size, prompts, memory and labels are the same."""

from __future__ import annotations

import importlib
from typing import Annotated

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import unknown
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.torch_adapter import Seen, TorchAdapter, TorchSession

from ..common.inference import settle
from ..common.opencv import one_opencv_thread
from ..common.seam import opencv_transposed, through
from ..common.tensors import image_tensor
from . import NETWORKS
from .levels import Level, level, set_levels
from .network import LiteNetwork, full
from .untrained import UNTRAINED

MAX_ENTROPY = 1.0
"""Nats above which a pixel is uncertain and no reference for any object (AOC-Net's rule; two slots never reach it)."""


class LiteSession(TorchSession):
    """One video: frames are scaled down to the size of the network, labels back to the frame's."""

    def __init__(self, adapter: LiteAdapter, video: Video) -> None:
        super().__init__(adapter.precision)
        self.adapter, self.network, self.device = adapter, adapter.network, adapter.device
        scale = min(1.0, adapter.size / min(video.size))
        self._native = video.size
        self._scaled = (max(1, round(video.size[0] * scale)), max(1, round(video.size[1] * scale)))
        self._memory = adapter.network.memory(adapter.limit)
        self._levels: list[Level] = []
        self._time = 0

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        """Logits of the next frame; what a prompt shows is returned as given."""
        network, known = self.network, len(self.ids) + 1
        maps = network.trunk(image)
        if self.adapter.levelled:
            if prompt is not None and not self._levels:
                self._levels = [level(m) for m in maps]
            maps = set_levels(maps, self._levels)
        features = network.describe(maps)
        scores: Tensor | None = None
        uncertain: Tensor | None = None
        labels = np.zeros(self._native, np.uint8)
        if known > 1:
            scores, uncertain = self._scores(network.segment(features, self._memory, known))
            labels = strongest(scores).to(torch.uint8).cpu().numpy()
        given = prompt is not None and bool(prompt.any())
        shown: NDArray[np.uint8] | None = None
        if prompt is not None and given:
            self.ids.add(prompt)
            shown = self.ids.to_dense(prompt)
            labels = np.where(shown > 0, shown, labels)
            uncertain = None if uncertain is None else uncertain & (self._small(shown) == 0)
        if not last:
            reference = network.keeps_predictions and self._time % self.adapter.gap == 0
            slots = len(self.ids) + 1
            network.remember(features, self._memory, self._small(labels), slots, reference, given, uncertain)
        self._time = 1 if given else self._time + 1
        hard = torch.from_numpy(labels)
        return Seen(scores, None if shown is None else torch.from_numpy(shown).to(self.device), hard)

    def image(self, frame: Frame | Tensor) -> Tensor:
        """1 x 3 x H x W in 0..1, scaled, extended to sides of the form 16 n + 1."""
        native = self._native  # not the session: the graph would hold its memory, and the memory holds the graph

        def back(gradient: Tensor) -> Tensor:
            return opencv_transposed(gradient[0] / 255, native, cv2.INTER_AREA)

        return F.pad(through(frame, self._resized, back), self._pads(), mode="replicate")

    def _resized(self, frame: Frame) -> Tensor:
        height, width = self._scaled
        if frame.shape[:2] != self._scaled:
            with one_opencv_thread():
                frame = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        return image_tensor(frame, self.device)

    def _pads(self) -> tuple[int, int, int, int]:
        rows, columns = (max(-(-(n - 1) // 16), 2) * 16 + 1 - n for n in self._scaled)
        return (0, columns, 0, rows)

    def _scores(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits at the frame's size, and the uncertain pixels at the network's (None: there are none)."""
        uncertain = None
        if logits.shape[1] > 2 and self.network.keeps_predictions:
            height, width = (4 * (n - 1) + 1 for n in logits.shape[-2:])
            whole = full(logits, (height, width))
            chances = torch.log_softmax(whole, 1)
            uncertain = -(chances.exp() * chances).sum(1) > MAX_ENTROPY
            scores = whole[..., : self._scaled[0], : self._scaled[1]]
        else:
            scores = full(logits, self._scaled)
        if self._scaled != self._native:
            scores = F.interpolate(scores, self._native, mode="bilinear", align_corners=False)
        return scores[0], uncertain

    def _small(self, labels: NDArray[np.uint8]) -> Tensor:
        """Dense labels at the network's size, 1 x H x W.

        The exact kind of nearest neighbour: the other looks half a pixel off, and remembered masks would creep.
        """
        height, width = self._scaled
        if labels.shape != self._scaled:
            labels = np.asarray(cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
        whole = torch.from_numpy(labels).to(self.device)[None].float()
        return F.pad(whole, self._pads(), mode="replicate").long()


class LiteAdapter(TorchAdapter):
    """A lite model.

    network: "aoc", "aot" or "cfbi". size: frames whose short side is longer are scaled down to it. The networks were
    trained on pictures of about 300 rows; most of them score more on clean DAVIS at 352 than at 304 (under damage no
    more, some less), and at 480 objects are larger than any they saw. memory: reference frames kept at most (those with
    prompts always stay). gap: every so many frames a prediction becomes a reference, for the networks that do so (aoc,
    aot). levelled: from the first prompt on, every channel of the encoder is given the mean and the deviation that it
    had there, for videos that turn bad after a good start; it harms where the scene itself changes.
    """

    untrained = UNTRAINED
    network: LiteNetwork

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        network: str = "aoc",
        size: Annotated[int, Meta(ge=32)] = 352,
        memory: Annotated[int, Meta(ge=1)] = 3,
        gap: Annotated[int, Meta(ge=1)] = 5,
        levelled: bool = False,
        amp: bool = False,
    ) -> None:
        if network not in NETWORKS:
            raise unknown("lite network", network, NETWORKS)
        self._family, self.size, self.limit, self.gap, self.levelled = network, size, memory, gap, levelled
        super().__init__(checkpoint, device, amp=amp)
        settle(self.network.trunk)

    def build(self) -> nn.Module:
        """The network of the family."""
        module, _, name = NETWORKS[self._family].partition(":")
        with torch.random.fork_rng(devices=[]):  # the initial values are drawn, and thrown away
            made: nn.Module = getattr(importlib.import_module(module), name)()
        return made

    def session(self, video: Video) -> LiteSession:
        """An empty memory."""
        return LiteSession(self, video)
