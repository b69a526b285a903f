"""FEELVOS as an adapter: the frame loop of the official evaluation, ids and late objects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.checkpoint import load_strict, read_state
from robust_vos_bench.models.torch_adapter import TorchAdapter, TorchSession

from ..cfbi_line.labels import one_hot
from ..cfbi_line.pool import ReferencePool
from ..common.inference import settle
from ..common.siblings import hint
from ..encoders.fold import fold_frozen_norms
from .network import FEELVOS, WINDOW, Embedded
from .weights import UNTRAINED, from_official

_CONVERTED = "Expected is the authors' TensorFlow checkpoint, converted by `rvos-bench weights convert feelvos`."


def prepared(frame: Frame, device: str) -> Tensor:
    """RGB uint8 H x W x 3 -> float32 1 x 3 x H x W in -1..1."""
    image = torch.from_numpy(np.array(frame)).to(device).permute(2, 0, 1)[None].float()
    return image * (2 / 255) - 1


def corner_sampled(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """H x W -> size, nearest with aligned corners: row i is row round(i (H - 1) / (h - 1)) of the labels."""
    rows, columns = (_nearest(source, target).to(labels.device) for source, target in zip(labels.shape, size))
    return labels[rows[:, None], columns]


def _nearest(source: int, target: int) -> Tensor:
    # As TensorFlow: scale and product in float32, halves away from zero.
    scale = np.float32(source - 1) / np.float32(max(target - 1, 1))
    places = np.arange(target, dtype=np.float32) * scale
    return torch.from_numpy(np.minimum(np.floor(places.astype(np.float64) + 0.5), source - 1).astype(np.int64))


class Session(TorchSession):
    """One video. Slots: 0 background, k the k-th object in order of appearance, of one frame in ascending order."""

    def __init__(
        self,
        network: FEELVOS,
        window: int,
        size: tuple[int, int],
        device: str = "cpu",
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.network, self.window, self.size, self.device = network, window, size, device
        self.references = ReferencePool()
        """Embeddings of each slot's first frame."""
        self.previous: Tensor | None = None
        """Embedding of the frame before, 100 x h x w."""
        self.known = torch.zeros(0)
        """Its labels, uint8 H x W of slots."""
        self.found = torch.zeros(0)
        """Of the last predicted frame, slots x h x w at stride 4."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame; a prompt's objects are copied over the prediction."""
        given = None if prompt is None or not prompt.any() else prompt
        seen = self.network.embed(prepared(frame, self.device))
        if self.previous is None:
            labels = torch.zeros(self.size, dtype=torch.uint8, device=self.device)
        else:
            labels = self.predicted(seen)
        if given is not None:
            labels = self.with_prompt(labels, given, seen.embedding)
        self.previous, self.known = seen.embedding, labels
        return self.ids.to_original(labels.cpu().numpy())

    def predicted(self, seen: Embedded) -> Tensor:
        """Labels uint8 H x W of a frame after the first."""
        assert self.previous is not None
        slots = 1 + len(self.ids)
        masks = one_hot(self.small(self.known, seen), slots)
        everywhere, nearby = self.network.matching(
            seen.embedding, self.references.groups(slots), self.previous, masks, self.window
        )
        maps = torch.stack([everywhere, masks.to(everywhere.dtype), nearby], 1)
        self.found = self.network.head(seen.decoded, maps).float()
        full = F.interpolate(self.found[None], self.size, mode="bilinear", align_corners=True)[0]
        return strongest(full).to(torch.uint8)

    def with_prompt(self, labels: Tensor, prompt: Mask, embedding: Tensor) -> Tensor:
        """The labels with the prompt's objects, whose embeddings become references."""
        first = not len(self.ids)
        self.ids.add(prompt)
        given = torch.from_numpy(self.ids.to_dense(prompt)).to(self.device)
        labels = torch.where(given > 0, given, labels)
        masks = one_hot(corner_sampled(given, (embedding.shape[-2], embedding.shape[-1])), 1 + len(self.ids))
        if not first:
            masks[0] = False  # a later frame tells of its new objects only
        self.references.add(embedding, masks)
        return labels

    @staticmethod
    def small(labels: Tensor, seen: Embedded) -> Tensor:
        """Labels H x W at the size of the maps."""
        return corner_sampled(labels, (seen.embedding.shape[-2], seen.embedding.shape[-1]))


class FEELVOSAdapter(TorchAdapter):
    """FEELVOS with the official settings: frames at their own size, no test-time augmentation.

    window: radius in cells (4 pixels) within which the frame before is matched.
    """

    untrained = UNTRAINED
    network: FEELVOS

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        window: Annotated[int, Meta(ge=0, le=255)] = WINDOW,
        **options: Any,
    ) -> None:
        self.window = window
        super().__init__(checkpoint, device, **options)
        fold_frozen_norms(self.network)
        settle(self.network, device)

    def build(self) -> FEELVOS:
        """The bare network."""
        return FEELVOS()

    def load(self, network: nn.Module, path: Path) -> None:
        """A converted checkpoint of the authors, by TensorFlow's names."""
        state = from_official(read_state(path))
        load_strict(network, state, str(path), hint=hint(state, "feelvos") or _CONVERTED)

    def session(self, video: Video) -> Session:
        """No references yet."""
        return Session(self.network, self.window, video.size, self.device, self.precision)
