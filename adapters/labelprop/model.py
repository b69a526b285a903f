"""Label propagation: find where each cell was, read its label there, sharpen it by the frame's colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import not_finite
from robust_vos_bench.models.torch_adapter import TorchAdapter, TorchSession

from ..common.inference import settle
from ..common.opencv import one_opencv_thread
from ..encoders.efficientnet_lite import MEAN, STD, EfficientNetLite0, folded, pretrained
from . import CARD
from .components import without_strays
from .features import Embedding
from .guided import sharpen_edges
from .refine import Source, read_labels
from .search import best_matches, with_border

COARSE, FINE = (4, 10), (0, 2, 4)
"""Encoder blocks behind the search (strides 8, 16) and behind the labels (strides 2, 4, 8)."""
COARSE_DIMS, FINE_DIMS = 60, 48
RELUCTANCE = 0.03
"""By how much a match at the search radius must be more similar than one in place: things move little and smoothly."""
LEAST_REACH = 8
"""Search radius in coarse cells, where the share of the short side gives less: it costs little on small frames."""
STRAY = 0.05
"""How far a part of an object may be from where the object was a frame ago, as a share of the short side."""
BLANK = 1e-3
"""Share of an object in a cell below which it is none."""
BAND = 0.02
"""Change of a label between neighbouring coarse cells from which labels are read on the fine grid."""


@dataclass(eq=False)
class Remembered:
    """What one past frame offers: keys and labels on the coarse grid, features and labels on the fine one."""

    key: Tensor
    coarse: Tensor
    """k x h8 x w8, share of each object in the cell, 0..1."""
    fine: Source
    time: int
    permanent: bool
    """Holds a prompt: kept for the whole video."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of one video: frames are scaled to `scaled`, then extended to `padded`, both sides of the form 16 n + 1,
    so that the cells of all strides share their corners and stride 4 cell 2 i lies on stride 8 cell i."""

    size: tuple[int, int]
    scaled: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def of(cls, size: tuple[int, int], short: int) -> Geometry:
        """For frames of `size` (H, W) whose short side shall be at most `short`."""
        scale = min(1.0, short / min(size))
        scaled = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        return cls(size, scaled, (-(-max(scaled[0] - 1, 16) // 16) * 16 + 1, -(-max(scaled[1] - 1, 16) // 16) * 16 + 1))

    def grid(self, stride: int) -> tuple[int, int]:
        """Cells (h, w) of a stride."""
        return (self.padded[0] - 1) // stride + 1, (self.padded[1] - 1) // stride + 1


class PropagationSession(TorchSession):
    """One video: the labels of its last frames and of those with a prompt."""

    def __init__(self, adapter: LabelPropagation, video: Video) -> None:
        super().__init__()  # only the encoder runs in the adapter's precision
        self.adapter, self.device = adapter, adapter.device
        self._geometry = Geometry.of(video.size, adapter.size)
        self._remembered: list[Remembered] = []
        self._time = 0
        self._labels = np.zeros(self._geometry.scaled, np.uint8)
        self._native = self._geometry.scaled == self._geometry.size
        self._search, self._detail = Embedding(COARSE_DIMS), Embedding(FINE_DIMS)
        self._reach = max(LEAST_REACH, round(adapter.radius * min(self._geometry.grid(8))))

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame: propagated, and where a prompt shows an object, as given."""
        self._time += 1
        small = self._scaled(frame)
        with self.adapter.precision():
            maps = self._encode(small)
        # in full precision: half would lose distances and close similarities
        cells, detail = self._embed(maps)
        soft = self._propagate(small, cells, detail) if self._remembered else np.zeros((0, *small.shape[:2]))
        labels = strongest(soft)  # at working size, dense
        with one_opencv_thread():
            labels = without_strays(labels, self._labels, max(1, round(STRAY * min(labels.shape))))
            mask = self.ids.to_original(labels if self._native else self._enlarged(soft, labels))
        if prompt is not None:
            self.ids.add(prompt)
            mask = np.where(prompt > 0, prompt, mask)
            labels = self.ids.to_dense(mask)
            if not self._native:
                rows, columns = self._geometry.scaled
                labels = np.asarray(
                    cv2.resize(labels, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8
                )
        if not last:
            self._remember(labels, cells, detail, prompt is not None)
        self._labels = labels
        return mask

    def _enlarged(self, soft: NDArray[np.floating], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Dense labels at input size from soft masks at working size, of which `labels` tells the strays."""
        height, width = self._geometry.size
        # A stray lost its label but has its soft value: where the label is background, that gets at least one half.
        share = soft.sum(0)
        kept = soft * np.where((labels == 0) & (share > 0.5), 0.5 / np.maximum(share, 0.5), 1)
        whole = [cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in kept]
        return strongest(np.asarray(whole).reshape(-1, height, width))

    def _scaled(self, frame: Frame) -> NDArray[np.uint8]:
        height, width = self._geometry.scaled
        if frame.shape[:2] == (height, width):
            return frame
        with one_opencv_thread():
            return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def _pad(self, maps: Tensor) -> Tensor:
        rows, columns = (p - s for p, s in zip(self._geometry.padded, self._geometry.scaled))
        return F.pad(maps, (0, columns, 0, rows), mode="replicate")

    def _encode(self, small: NDArray[np.uint8]) -> dict[int, Tensor]:
        """Encoder block -> its map, 1 x C x h x w."""
        image = torch.from_numpy(small.astype(np.float32)).to(self.device).permute(2, 0, 1)[None]
        image = self._pad(image.mul_(1 / (255 * STD)).sub_(MEAN / STD))
        blocks = sorted({*COARSE, *FINE})
        maps = self.adapter.encoder.features(image.contiguous(memory_format=torch.channels_last), blocks)
        return {block: each.float() for block, each in zip(blocks, maps)}

    def _embed(self, maps: dict[int, Tensor]) -> tuple[Tensor, Tensor]:
        """Search vectors C x h8 x w8 and detail vectors (h4 * w4) x C'."""
        halved = F.avg_pool2d(maps[0], 3, 2, 1, count_include_pad=False)  # stride 2 -> 4, same corners
        detail = self._detail([halved if block == 0 else maps[block] for block in FINE])
        return self._search([maps[block] for block in COARSE]), detail.reshape(detail.shape[0], -1).T.contiguous()

    def _propagate(self, small: NDArray[np.uint8], cells: Tensor, detail: Tensor) -> NDArray[np.float32]:
        """Soft masks k x h x w at working size."""
        (h8, w8), (h4, w4) = self._geometry.grid(8), self._geometry.grid(4)
        k = len(self.ids)
        past = torch.stack([r.coarse for r in self._remembered])
        seen = past.sum(1).amax(0)
        near = F.max_pool2d(seen[None, None], 2 * self._reach + 1, 1, self._reach)[0, 0] > BLANK
        reluctance = [self._reluctance(self._time - r.time) for r in self._remembered]
        similar, at = best_matches(cells, [r.key for r in self._remembered], near, self._reach, reluctance)
        weights = torch.softmax(similar / self.adapter.temperature, 0)[:, None]
        found = past.flatten(2).gather(2, at.flatten(1)[:, None].expand(-1, k, -1)).reshape(-1, k, h8, w8)
        coarse = (weights * found).sum(0) * near

        spread = F.max_pool2d(coarse[None], 3, 1, 1)[0] + F.max_pool2d(-coarse[None], 3, 1, 1)[0]
        band = (spread.amax(0) > BAND) & near
        rows = ((torch.arange(h4, device=cells.device) + 1) // 2).clamp_(max=h8 - 1)
        columns = ((torch.arange(w4, device=cells.device) + 1) // 2).clamp_(max=w8 - 1)
        y, x = band[rows][:, columns].nonzero(as_tuple=True)
        cy, cx = rows[y], columns[x]
        match = at[:, cy, cx]
        centres = torch.stack([y + 2 * (match // w8 - cy), x + 2 * (match % w8 - cx)], -1)
        fine = F.interpolate(coarse[None], (h4, w4), mode="bilinear", align_corners=True)[0]
        sources = [r.fine for r in self._remembered]
        fine[:, y, x] = read_labels(
            detail, (y, x), centres, sources, (h4, w4), 2, self.adapter.topk, self.adapter.temperature
        ).T

        soft = F.interpolate(fine[None], self._geometry.padded, mode="bilinear", align_corners=True)[0]
        height, width = self._geometry.scaled
        with one_opencv_thread():
            return sharpen_edges(small, soft[:, :height, :width].cpu().numpy(), max(1, round(min(height, width) / 120)))

    def _reluctance(self, lag: int) -> float:
        """Loss of similarity with distance: RELUCTANCE at the radius, sooner for the frames just before."""
        return RELUCTANCE / (self._reach * min(1.0, 0.25 * (1 + lag))) ** 2

    def _remember(self, labels: NDArray[np.uint8], cells: Tensor, detail: Tensor, permanent: bool) -> None:
        """Store this frame; `labels` dense at working size. Hard labels: soft ones would blur with every step."""
        k = len(self.ids)
        ids = torch.arange(1, k + 1, device=self.device, dtype=torch.uint8)[:, None, None]
        shares = self._pad((torch.from_numpy(labels).to(self.device)[None] == ids).float()[None])
        coarse, fine = (F.avg_pool2d(shares, s + 1, s, s // 2, count_include_pad=False)[0] for s in (8, 4))
        for past in self._remembered:  # objects that have just appeared were nowhere before
            new = k - past.coarse.shape[0]
            past.coarse = F.pad(past.coarse, (0, 0, 0, 0, 0, new))
            past.fine.labels = F.pad(past.fine.labels, (0, new))
        key = with_border(cells, self._reach)
        self._remembered.append(
            Remembered(key, coarse, Source(detail, fine.reshape(k, -1).T.contiguous()), self._time, permanent)
        )
        recent = [r for r in self._remembered if not r.permanent]
        if len(recent) > self.adapter.memory:
            self._remembered.remove(recent[0])


def strongest(soft: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Dense labels 0..k of soft masks k x H x W; background is what they leave over, and wins a tie."""
    best = np.maximum(1 - soft.sum(0), 0)
    labels = np.zeros(best.shape, np.uint8)
    for channel, one in enumerate(soft, start=1):
        labels[one > best] = channel
        best = np.maximum(best, one)
    if not np.isfinite(best).all():
        raise not_finite(int(np.isnan(best).sum()), int(np.isinf(best).sum()), best.size)
    return labels


class LabelPropagation(TorchAdapter):
    """Training-free: labels come from the most similar cells of the first and the last few frames.

    size: frames whose short side is longer are scaled down to it. memory: recent frames remembered, not counting
    those with a prompt. radius: how far an object may have moved since a remembered frame, as a share of the short side
    (64 pixels at least). topk, temperature: of the softmax over candidate cells. The search runs at stride 8; labels
    are read at stride 4 in small windows about its matches, fitted to the colours of the frame, and remembered as the
    mask they make.
    """

    card = CARD
    untrained = None

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
        settle(self.encoder)

    def build(self) -> EfficientNetLite0:
        """EfficientNet-Lite0 with its ImageNet weights."""
        return pretrained()

    def session(self, video: Video) -> PropagationSession:
        """No frame is remembered yet."""
        return PropagationSession(self, video)
