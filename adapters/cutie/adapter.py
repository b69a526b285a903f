"""The adapter of Cutie."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from omegaconf import DictConfig
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.bounds import below
from robust_vos_bench.models.torch_adapter import Seen, TorchAdapter, TorchSession

from ..common.tensors import image_tensor, log_of
from . import build
from .passing import Core
from .untrained import UNTRAINED


class CutieAdapter(TorchAdapter):
    """Cutie with the official settings of DAVIS 2017 and YouTube-VOS, around the package's own inference.

    mem_every: frames between remembered frames. top_k: how many memory cells count for a pixel. size: short side to
    which larger frames are reduced, None for the frames' own. max_memory_frames: remembered frames, the first of each
    object and the newest others (not with long_term). long_term: consolidate instead of forgetting, off for DAVIS and
    YouTube-VOS; its limits are named as XMem's. amp: autocast on a GPU.
    """

    untrained = UNTRAINED

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        variant: Literal["base", "small"] = "base",
        mem_every: Annotated[int, Meta(ge=1)] = 5,
        top_k: Annotated[int, Meta(ge=1)] = 30,
        size: Annotated[int, Meta(ge=16)] | None = 480,
        max_memory_frames: Annotated[int, Meta(ge=2)] = 5,
        long_term: bool = False,
        max_mid_term_frames: int = 10,
        min_mid_term_frames: Annotated[int, Meta(ge=2)] = 5,
        max_long_term_elements: int = 10000,
        num_prototypes: Annotated[int, Meta(ge=1)] = 128,
        **options: Any,
    ) -> None:
        below("min_mid_term_frames", min_mid_term_frames, "max_mid_term_frames", max_mid_term_frames)
        self.size = size
        self.settings = build.settings(variant)
        self.settings.update(
            mem_every=mem_every, top_k=top_k, max_mem_frames=max_memory_frames, use_long_term=long_term
        )
        if num_prototypes + self.settings.long_term.buffer_tokens >= max_long_term_elements:
            raise UsageError(
                f"option max_long_term_elements is {max_long_term_elements}; it must exceed num_prototypes by more "
                f"than {self.settings.long_term.buffer_tokens}, the elements that go at once when it is full"
            )
        self.settings.long_term.update(
            max_mem_frames=max_mid_term_frames,
            min_mem_frames=min_mid_term_frames,
            max_num_tokens=max_long_term_elements,
            num_prototypes=num_prototypes,
        )
        super().__init__(checkpoint, device, **options)

    def build(self) -> nn.Module:
        """The package's network, without weights from anywhere."""
        return build.network(self.settings)

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """As the base, without a warning: the package switches autocast off in torch's old spelling, at every frame."""
        with super().precision(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*torch\.cuda\.amp\.autocast", FutureWarning)
            yield

    def session(self, video: Video) -> Session:
        """A core of the package with no memory."""
        return Session(self, video)


class Session(TorchSession):
    """One video. The package's core is made anew for each: its `clear_memory` keeps the objects of the last one."""

    def __init__(self, adapter: CutieAdapter, video: Video) -> None:
        super().__init__(adapter.precision)
        self.frame, self.device = video.size, adapter.device
        self.inner = inner_size(video.size, adapter.size)
        self.core = Core(adapter.network, cfg=self.fitting(adapter.settings))
        self.probabilities = torch.empty(0)
        """Of the last frame, (1 + k) x H' x W' at the network's size, without padding."""

    def fitting(self, settings: DictConfig) -> DictConfig:
        """The settings with no more memory cells asked for than small frames have; the package would fail there."""
        cells = -(-self.inner[0] // 16) * -(-self.inner[1] // 16)
        fitting = copy.deepcopy(settings)
        if settings.top_k > cells:
            self.warn(f"top_k {settings.top_k} exceeds the {cells} cells of a frame; only {cells} are read")
            fitting.top_k = cells
        between = cells * (settings.long_term.max_mem_frames - settings.long_term.min_mem_frames)
        if settings.use_long_term and settings.long_term.num_prototypes > between:
            self.warn(f"num_prototypes {settings.long_term.num_prototypes} exceeds the {between} cells to choose from")
            fitting.long_term.num_prototypes = between
        return fitting

    def image(self, frame: Frame | Tensor) -> Tensor:
        """The network's image, 3 x H' x W' in 0..1, without padding."""
        image = image_tensor(frame, self.device)
        if self.inner != self.frame:
            image = F.interpolate(image, self.inner, mode="bilinear", align_corners=False, antialias=True)
        return image[0]

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        """Probabilities of the next frame, (1 + k) x H x W; channels are in order of arrival."""
        new = [] if prompt is None else self.ids.add(prompt)
        given: Tensor | None = None
        if prompt is not None and new:
            shown = np.where(np.isin(prompt, new), prompt, 0)
            self.probabilities = self.core.step(image, self.sized(shown, new), new, end=last)
            given = self.given(shown, self.device)
        else:
            self.probabilities = self.core.step(image, end=last)
        probabilities = self.probabilities
        if self.inner != self.frame:
            probabilities = F.interpolate(probabilities[None], self.frame, mode="bilinear", align_corners=False)[0]
        return Seen(probabilities, given)

    def logits(self, scores: Seen) -> Tensor:
        """Logarithms of the probabilities."""
        return super().logits(scores._replace(scores=log_of(scores.scores)))

    def sized(self, shown: Mask, new: list[int]) -> Tensor:
        """Original ids of new objects at the network's size, int64 H' x W'."""
        mask = torch.from_numpy(shown).to(self.device).long()
        if self.inner != self.frame:
            # Pillow's nearest, which the official reader applies to masks, takes the pixel under the centre.
            mask = F.interpolate(mask[None, None].float(), self.inner, mode="nearest-exact")[0, 0].long()
        for i in new:
            if not bool((mask == i).any()):
                self.warn(f"object {i} has no pixel at the network's size of {self.inner[0]} x {self.inner[1]}")
        return mask


def inner_size(frame: tuple[int, int], size: int | None) -> tuple[int, int]:
    """(H, W) of the network's image before padding: the short side reduced to `size`, never enlarged."""
    short = min(frame)
    if size is None or short <= size:
        return frame
    other = int(size * max(frame) / short)
    return (size, other) if frame[0] <= frame[1] else (other, size)
