"""FEELVOS (Voigtlaender et al. 2019): DeepLabV3+ features, an embedding, and one head that all objects share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cfbi_line.maps import distance_maps
from ..cfbi_line.nearest import nearest_distances
from ..cfbi_line.windows import window_maps
from ..common.rows import is_rows
from ..encoders.xception import NormedConv, SeparableConv, Xception65, add_separable, separable

EPS = 1e-5
"""Of the norms outside the trunk."""
RATES = (12, 24, 36)
"""Of the pyramid, at output stride 8."""
CHANNELS = 256
WINDOW = 15
"""Radius of local matching in cells at stride 4: windows of 31 x 31."""


class Embedded(NamedTuple):
    """What the network computes from one image alone, at stride 4; float32."""

    decoded: Tensor
    """1 x 256 x h x w, the decoder's output."""
    embedding: Tensor
    """100 x h x w, not negative."""


class Layers(nn.Module):
    """A level of the official names that holds layers beside each other."""


class FEELVOS(nn.Module):
    """The official layers under the official names (see `weights`)."""

    def __init__(self) -> None:
        super().__init__()
        self.xception_65 = Xception65()
        self.image_pooling = NormedConv(2048, CHANNELS, 1, eps=EPS)
        self.aspp0 = NormedConv(2048, CHANNELS, 1, eps=EPS)
        for i, rate in enumerate(RATES, 1):
            add_separable(self, f"aspp{i}", 2048, CHANNELS, rate=rate, eps=EPS)
        self.concat_projection = NormedConv(5 * CHANNELS, CHANNELS, 1, eps=EPS)
        self.decoder = Layers()
        self.decoder.add_module("feature_projection0", NormedConv(256, 48, 1, eps=EPS))
        add_separable(self.decoder, "decoder_conv0", CHANNELS + 48, CHANNELS, eps=EPS)
        add_separable(self.decoder, "decoder_conv1", CHANNELS, CHANNELS, eps=EPS)
        self.embedding = Layers()
        add_separable(self.embedding, "split_separable_conv2d", CHANNELS, 100, eps=0)
        self.embedding_seg = Layers()
        for i in range(4):
            add_separable(
                self.embedding_seg, f"split_separable_conv2d_{i}", CHANNELS + (0 if i else 3), CHANNELS, 7, eps=0
            )
        self.logits = Layers()
        self.logits.add_module("semantic", NormedConv(CHANNELS, 1, 1, eps=0))

    def pyramid(self, top: Tensor) -> Tensor:
        """The trunk's map at stride 8 -> 1 x 256 x H x W (ASPP)."""
        pooled = F.relu(self.image_pooling(top.mean((2, 3), keepdim=True)))
        branches = [F.relu(self.aspp0(top))]
        branches.insert(0, pooled.expand_as(branches[0]).contiguous(memory_format=_format(top)))
        branches += [separable(self, f"aspp{i}")(top) for i in (1, 2, 3)]
        return F.relu(self.concat_projection(torch.cat(branches, 1)))

    def decode(self, pyramid: Tensor, low: Tensor) -> Tensor:
        """The pyramid and the trunk's map at stride 4 -> 1 x 256 x h x w at stride 4."""
        skip = F.relu(cast(NormedConv, self.decoder.feature_projection0)(low))
        wide = F.interpolate(pyramid, low.shape[-2:], mode="bilinear", align_corners=True)
        x = separable(self.decoder, "decoder_conv0")(torch.cat([wide, skip], 1))
        return separable(self.decoder, "decoder_conv1")(x)

    def embed(self, image: Tensor) -> Embedded:
        """RGB 1 x 3 x H x W in -1..1 -> its maps at stride 4, of (H - 1) // 4 + 1 rows."""
        low, top = self.xception_65(image)
        decoded = self.decode(self.pyramid(top), low)
        embedding = separable(self.embedding, "split_separable_conv2d")(decoded)
        return Embedded(decoded.float(), embedding[0].float())

    @staticmethod
    def matching(
        now: Tensor, references: list[Tensor], before: Tensor, masks: Tensor, window: int
    ) -> tuple[Tensor, Tensor]:
        """Global and local maps, slots x h x w each, of embeddings 100 x h x w.

        references: R x 100 of each slot; none: the map is 1. masks: bool slots x h x w of the frame before.
        """
        unbiased = now.new_zeros(len(masks))
        # Distances are differences of large squares: autocast would spoil them.
        with torch.autocast(now.device.type, enabled=False):
            everywhere = distance_maps(nearest_distances(now, references), unbiased)
            nearby = window_maps(now, before, masks, (window,), unbiased)[:, 0]
        return everywhere, nearby

    def head(self, decoded: Tensor, maps: Tensor) -> Tensor:
        """Logits slots x h x w. decoded: 1 x 256 x h x w. maps: slots x 3 x h x w (global, previous mask, local)."""
        return torch.cat([self.classified(features) for features in self.features(decoded, maps)])

    def classified(self, features: Tensor) -> Tensor:
        """Logits 1 x h x w of one slot's 256 channels."""
        out: Tensor = cast(NormedConv, self.logits.semantic)(features)[:, 0].float()
        return out

    def features(self, decoded: Tensor, maps: Tensor) -> Iterator[Tensor]:
        """What the head makes of each slot, 1 x 256 x h x w, one after the other.

        The decoder's channels are the same for all slots: what the first layer makes of them is computed once.
        """
        first, *others = (separable(self.embedding_seg, f"split_separable_conv2d_{i}") for i in range(4))
        shared = _first(first, decoded, slice(0, CHANNELS), True)
        for each in maps[:, None]:
            x = F.relu(shared + _first(first, each, slice(CHANNELS, None), False), inplace=True)
            for layer in others:
                x = layer(x)
            yield x


def _format(x: Tensor) -> torch.memory_format:
    return torch.channels_last if is_rows(x) else torch.contiguous_format


def _first(layer: SeparableConv, x: Tensor, channels: slice, bias: bool) -> Tensor:
    """What some input channels add to the sums of a separable layer, before its last ReLU."""
    wide, narrow = layer.depthwise.conv, layer.pointwise.conv
    assert wide.bias is not None
    x = F.conv2d(x, wide.weight[channels], wide.bias[channels], padding=wide.padding, groups=x.shape[1])
    return F.conv2d(F.relu(x), narrow.weight[:, channels], narrow.bias if bias else None)
