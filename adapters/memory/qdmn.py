"""QDMN (Liu et al. 2022): MiVOS with a score of each frame's masks, which decides what is remembered and forgotten."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bank import FrameBank
from .blocks import conv3
from .mivos import MiVOS, MiVOSAdapter
from .network import Query
from .session import MemorySession

ENOUGH = 0.8
"""A frame is remembered for good when its score relative to the given frame's exceeds this (official, DAVIS)."""
CAPACITY = 21
"""Frames remembered, not counting the first, as in the official DAVIS loop (its limit of 20 is checked late)."""


class Score(nn.Module):
    """Quality assessment: memory features, resized to 24 x 24 -> one number per object, never negative."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv3(1024, 256)
        self.conv2 = conv3(256, 256)
        self.conv3 = conv3(256, 256)
        self.conv4 = nn.Conv2d(256, 256, 3, 2, 1)
        self.fc1 = nn.Linear(256 * 12 * 12, 1024)
        self.fc2 = nn.Linear(1024, 1)

    def forward(self, x: Tensor) -> Tensor:
        """k x 1024 x h x w -> k."""
        x = F.interpolate(x, (24, 24), mode="bilinear", align_corners=False)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.relu(conv(x))
        return F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))[:, 0]


class _Branch(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        kernel, padding = (1, 0) if dilation == 1 else (3, dilation)
        self.atrous_conv = nn.Conv2d(1024, 256, kernel, 1, padding, dilation, bias=False)
        self.bn = nn.BatchNorm2d(256)

    def forward(self, x: Tensor) -> Tensor:
        """N x 1024 x h x w -> N x 256 x h x w."""
        return F.relu(self.bn(self.atrous_conv(x)))


class ASPP(nn.Module):
    """Atrous spatial pyramid: 1 x 1, dilations 6, 12, 18, and the image's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.aspp1, self.aspp2 = _Branch(1), _Branch(6)
        self.aspp3, self.aspp4 = _Branch(12), _Branch(18)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(1024, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU()
        )
        self.conv1 = nn.Conv2d(1280, 1024, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(1024)

    def forward(self, x: Tensor) -> Tensor:
        """N x 1024 x h x w -> the same shape."""
        mean = self.global_avg_pool(x).expand(-1, -1, *x.shape[-2:])
        joined = torch.cat([self.aspp1(x), self.aspp2(x), self.aspp3(x), self.aspp4(x), mean], 1)
        return F.relu(self.bn1(self.conv1(joined)))


class QualityBank(FrameBank):
    """A `FrameBank` that forgets.

    A kept frame is worth its relative score plus exp(-age), its age counted in kept frames. The official code looks
    up the least worth in a list without the first frame and removes that position from one with it, so that it is
    the frame before the intended one that goes, the given one included; scores were published so, and it is kept.
    """

    def __init__(self, top_k: int | None, max_frames: int | None = None) -> None:
        super().__init__("dot", top_k)
        self.capacity = CAPACITY if max_frames is None else min(CAPACITY, max_frames)
        self._positions: list[int] = []
        self._kept: list[tuple[int, float]] = []
        self._index = 0

    def refer(self, key: Tensor, value: Tensor) -> None:
        """Remember a frame with a given mask."""
        self._positions.append(self.frames)
        self.add(key, value, temporary=False, reference=True)

    def keep(self, key: Tensor, value: Tensor, score: float) -> None:
        """Remember a predicted frame of this relative score."""
        self._index += 1
        if len(self._kept) < self.capacity:
            self._positions.append(self.frames)
            self.add(key, value, temporary=False)
        else:
            worth = [math.exp(index - self._index) + score for index, score in self._kept]
            least = worth.index(min(worth))
            del self._kept[least]
            position = self._positions.pop(least)
            self._positions.append(position)
            self.add(key, value, temporary=False, instead=position)
        self._kept.append((self._index, score))


class QDMN(MiVOS):
    """QDMN (Liu et al. 2022)."""

    channels_last = False  # a quarter slower with it

    def __init__(self) -> None:
        super().__init__(biased=True)
        self.aspp = ASPP()
        self.score = Score()
        self.concat_conv = nn.Conv2d(1025, 1, 3, 1, 1)

    def encode_gated(self, image: Tensor, before: Tensor) -> Query:
        """Features of a frame under the masks of the one before.

        image: 1 x 3 x H x W. before: aggregated probabilities (1 + k) x H x W.
        """
        f16, f8, f4 = self.rgb_encoder(image)
        nearest = before[1:].amax(0)[None, None]
        mask = F.interpolate(nearest, f16.shape[-2:], mode="bilinear", align_corners=False)
        f16 = f16 * torch.sigmoid(self.concat_conv(torch.cat([f16, mask], 1)))
        key, value = self.kv_q_f16(f16)
        return Query(key, value, f16, f8, f4)

    def encode_scored(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Key and value of a frame, each k x ..., and the score of each object's mask (k)."""
        f16 = self.mask_rgb_encoder.features(image, masks)
        key, value = self.kv_m_f16(f16)
        return key, value, self.score(f16)

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """Probability of each object, k x H x W, from a pyramid over readout and query value."""
        joined = torch.cat([readout, query.value.expand(len(readout), -1, -1, -1)], 1)
        return torch.sigmoid(self.decoder(self.aspp(joined), None, query.f8, query.f4))[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> QualityBank:
        """At most 22 frames, chosen by score and age; `max_frames` bounds them further."""
        return QualityBank(top_k, max_frames)


class QualitySession(MemorySession):
    """The loop of the official DAVIS code; late objects get banks of their own, which is ours."""

    network: QDMN
    _given_score = math.nan

    def look(self, image: Tensor) -> Query:
        """Features under the masks of the frame before."""
        return self.network.encode_gated(image, self.everything)

    def consider(self, image: Tensor, query: Query | None, masks: Tensor, given: bool) -> None:
        """Remember the frame until the next one, or for good if it is its turn and its masks are good."""
        key, value, scores = self.network.encode_scored(image, masks[:, None])
        scores = scores.detach()  # they decide what is remembered, and pass no gradient
        if given:
            self._given_score = self._reference(scores)
        score = float(scores.mean()) / self._given_score
        for_good = given or (self._since >= self.schedule.every and score > ENOUGH)
        for objects, bank in self.groups:
            if not isinstance(bank, QualityBank):
                raise TypeError("QDMN needs banks of its own kind")
            if given:
                bank.refer(key[objects], value[objects])
            elif for_good:
                bank.keep(key[objects], value[objects], score)
            else:
                bank.add(key[objects], value[objects], temporary=True)
        if for_good:
            self._since = 0

    def _reference(self, scores: Tensor) -> float:
        positive = scores[scores > 0]
        if len(positive):
            return float(positive.mean())
        self.warn(
            "the quality score of every given mask is zero: no frame can exceed it, so that the memory stays at the "
            "given frame and the one before (the official code does the same, silently)"
        )
        return math.nan


class QDMNAdapter(MiVOSAdapter):
    """QDMN with the official settings of DAVIS, which are those of MiVOS."""

    network: QDMN
    loop = QualitySession

    def build(self) -> nn.Module:
        """The bare network."""
        return QDMN()
