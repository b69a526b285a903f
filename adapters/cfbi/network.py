"""CFBI (Yang, Wei, Yang 2020) and CFBI+ (2021): embed an image, match it, segment it. Official parameter names."""

from __future__ import annotations

from abc import abstractmethod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cfbi_line.blocks import PreHead
from ..cfbi_line.joined import InsideOutside, Own, join
from ..cfbi_line.labels import one_hot, sample
from ..cfbi_line.maps import background_maps, distance_maps, slot_biases
from ..cfbi_line.means import object_vectors
from ..cfbi_line.nearest import nearest_distances
from ..cfbi_line.windows import window_maps
from ..common.rows import GroupNorm, pointwise
from ..encoders.deeplab import DeepLabV3Plus
from .ensembler import Ensembler, MultiScaleEnsembler
from .references import Embedding, References, Scale


class MatchingNetwork(nn.Module):
    """What CFBI and CFBI+ share."""

    scales: tuple[Scale, ...]
    feature_extracter: DeepLabV3Plus  # spelt as in the checkpoints
    bg_bias: Tensor
    fg_bias: Tensor

    @abstractmethod
    def embed(self, image: Tensor) -> Embedding:
        """Prepared image 1 x 3 x H x W (sides 16 k + 1) -> its embedding."""

    @abstractmethod
    def segment(
        self, current: Embedding, references: References, previous: Embedding, labels: Tensor, slots: int
    ) -> Tensor:
        """Logits 1 x slots x H/4 x W/4 of a frame, given the previous frame's integer labels at full size."""

    def matching(
        self, i: int, current: Tensor, references: References, previous: Tensor, masks: Tensor, slots: int
    ) -> tuple[Tensor, Tensor]:
        """Global maps slots x 1 x h x w and local maps slots x windows x h x w of scale i."""
        scale, half = self.scales[i], references.options.half
        biases = slot_biases(self.bg_bias[i], self.fg_bias[i], slots)
        query, before = current[: scale.channels], previous[: scale.channels]
        # Distances are differences of large squares: half precision has an option of its own, autocast is none.
        with torch.autocast(query.device.type, enabled=False):
            everywhere = distance_maps(nearest_distances(query, references.pools[i].groups(slots), half), biases)
            nearby = window_maps(
                query, before, masks, scale.windows, biases, stride=scale.stride, reduce=scale.reduce, half=half
            )
        return everywhere[:, None], nearby


class CFBI(MatchingNetwork):
    """CFBI. backbone: "resnet101" or "mobilenetv2"."""

    # The largest window comes first, then ascending: the order of the official channels.
    scales = (Scale((12, 2, 4, 6, 8, 10), reduce=True),)

    def __init__(self, backbone: str = "resnet101") -> None:
        super().__init__()
        self.feature_extracter = DeepLabV3Plus(backbone)
        self.semantic_embedding = nn.Sequential(
            nn.Conv2d(256, 256, 3, 1, 1, groups=256),
            GroupNorm(32, 256),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 100, 1),
            GroupNorm(25, 100),
            nn.ReLU(inplace=True),
        )
        self.bg_bias = nn.Parameter(torch.zeros(1, 1, 1, 1))
        self.fg_bias = nn.Parameter(torch.zeros(1, 1, 1, 1))
        self.dynamic_prehead = PreHead(1 + 6 + 1 + 6 + 1)
        self.dynamic_seghead = Ensembler(3 * 100 + 64, 4 * 100, self.feature_extracter.backbone.channels[0])

    def embed(self, image: Tensor) -> Embedding:
        """100 channels at stride 4."""
        features = self.feature_extracter(image)
        return Embedding((self.semantic_embedding(features.decoded)[0].float(),), features.low)

    def segment(
        self, current: Embedding, references: References, previous: Embedding, labels: Tensor, slots: int
    ) -> Tensor:
        """Logits 1 x slots x H/4 x W/4 of a frame, matched at stride 4."""
        (now,), (before,) = current.scales, previous.scales
        masks = one_hot(sample(labels, (now.shape[-2], now.shape[-1])), slots)
        everywhere, nearby = self.matching(0, now, references, before, masks, slots)
        maps = [everywhere, nearby, masks[:, None].to(now.dtype), background_maps(nearby), background_maps(everywhere)]
        matched = self.dynamic_prehead(torch.cat(maps, 1))
        joined = join([Own(now[None]), InsideOutside(before, masks), Own(matched)], slots, current.low)
        out: Tensor = self.dynamic_seghead(joined, object_vectors(references.means, before, masks), current.low)
        return out


class FeaturePyramid(nn.Module):
    """Top-down pathway of CFBI+: 256 channels at strides 4, 8 and 16."""

    def __init__(self, channels: int = 256) -> None:
        super().__init__()
        self.toplayer = self._layer(256, channels, 1)
        self.latlayer1 = self._layer(512, channels, 1)
        self.latlayer2 = self._layer(256, channels, 1)
        self.smooth1 = self._layer(channels, channels, 3)
        self.smooth2 = self._layer(channels, channels, 3)

    @staticmethod
    def _layer(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
        conv = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=False)
        return nn.Sequential(conv, GroupNorm(32, outputs))

    def forward(self, decoded: Tensor, mid: Tensor, aspp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps at strides 4, 8, 16 -> embeddings at strides 4, 8, 16."""
        top = _lateral(self.toplayer, aspp)
        middle = _lateral(self.latlayer1, mid) + _enlarge(top, mid)
        # Stride 4 grows from stride 8 *before* its smoothing.
        bottom = _lateral(self.latlayer2, decoded) + _enlarge(middle, decoded)
        return _smooth(self.smooth2, bottom), _smooth(self.smooth1, middle), F.relu(top)


def _lateral(layer: nn.Sequential, x: Tensor) -> Tensor:
    conv, norm = layer
    out: Tensor = norm(pointwise(x, cast(nn.Conv2d, conv)))
    return out


def _smooth(layer: nn.Sequential, x: Tensor) -> Tensor:
    conv, norm = layer
    return cast(GroupNorm, norm).relu(conv(x))


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


class CFBIPlus(MatchingNetwork):
    """CFBI+ on ResNet-101."""

    # Matching reads only the first channels; windows: largest first, then ascending.
    scales = (
        Scale((24, 4, 8, 12, 16, 20), stride=2, channels=32),
        Scale((12, 2, 4, 6, 8, 10), channels=64),
        Scale((10, 2, 4, 6, 8), channels=128),
    )

    def __init__(self) -> None:
        super().__init__()
        self.feature_extracter = DeepLabV3Plus("resnet101")
        self.fpn = FeaturePyramid()
        self.bg_bias = nn.Parameter(torch.zeros(3, 1, 1, 1))
        self.fg_bias = nn.Parameter(torch.zeros(3, 1, 1, 1))
        inputs = tuple(3 * 256 + 3 + 2 * len(scale.windows) for scale in self.scales)
        self.dynamic_seghead = MultiScaleEnsembler((inputs[0], inputs[1], inputs[2]), 4 * 256)

    def embed(self, image: Tensor) -> Embedding:
        """256 channels at strides 4, 8, 16."""
        features = self.feature_extracter(image)
        pyramid = self.fpn(features.decoded, features.mid, features.aspp)
        return Embedding(tuple(x[0].float() for x in pyramid), features.low)

    def segment(
        self, current: Embedding, references: References, previous: Embedding, labels: Tensor, slots: int
    ) -> Tensor:
        """Logits 1 x slots x H/4 x W/4 of a frame, matched at strides 4, 8 and 16."""
        inputs = []
        vector = None
        for i, (now, before) in enumerate(zip(current.scales, previous.scales)):
            masks = one_hot(sample(labels, (now.shape[-2], now.shape[-1])), slots)
            everywhere, nearby = self.matching(i, now, references, before, masks, slots)
            # Maps first, embeddings last: the opposite of CFBI.
            maps = [everywhere, nearby, masks[:, None].to(now.dtype)]
            maps += [background_maps(nearby), background_maps(everywhere)]
            inputs.append([Own(torch.cat(maps, 1)), Own(now[None]), InsideOutside(before, masks)])
            if vector is None:
                # Only stride 4 makes an attention vector that is read, though training computed three.
                vector = object_vectors(references.means, before, masks)
        out: Tensor = self.dynamic_seghead(inputs, vector, current.low)
        return out
