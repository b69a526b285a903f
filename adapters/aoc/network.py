"""AOC-Net (Xu et al., ACM MM 2022) and RPCM (Xu et al., AAAI 2022): embedding, matching maps, decoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..cfbi_line.blocks import PreHead
from ..cfbi_line.labels import one_hot, sample
from ..cfbi_line.maps import slot_biases
from ..cfbi_line.means import masked_means
from ..common.rows import GroupNorm
from ..encoders.deeplab import DeepLabV3Plus
from .decoder import CrossFrame, Decoder
from .maps import OBJECT_MAPS, PROXY_MAPS, matching_maps
from .memory import Reference
from .proxies import ProxyBank


class Embedded(NamedTuple):
    """Features of one frame, independent of the objects."""

    embedding: Tensor
    """100 x h x w at stride 4, all values >= 0."""
    low: Tensor
    """The backbone's map at stride 4, 1 x 256 x h x w."""


class AOCNet(nn.Module):
    """The network with the official parameter names (their spelling included).

    reading: how the conditioning blocks are read (`conditioning.READINGS`); None builds RPCM, which matches without
    proxies (15 maps per slot instead of 24) and calibrates by plain gates.
    """

    def __init__(self, reading: str | None = "strict") -> None:
        super().__init__()
        self.bg_bias = nn.Parameter(torch.zeros(1, 1, 1, 1))
        self.fg_bias = nn.Parameter(torch.zeros(1, 1, 1, 1))
        self.feature_extracter = DeepLabV3Plus("resnet101")
        # the official modules are registered twice, so that each tensor has two names in a checkpoint
        self.seperate_conv = nn.Conv2d(256, 256, 3, 1, 1, groups=256)
        self.bn1 = GroupNorm(32, 256)
        self.embedding_conv = nn.Conv2d(256, 100, 1)
        self.bn2 = GroupNorm(25, 100)
        self.semantic_embedding = nn.Sequential(
            self.seperate_conv, self.bn1, nn.ReLU(inplace=True), self.embedding_conv, self.bn2, nn.ReLU(inplace=True)
        )
        self.dynamic_seghead = Decoder(reading)
        self.with_proxies = reading is not None
        self.dynamic_prehead = PreHead(PROXY_MAPS if self.with_proxies else OBJECT_MAPS)

    def embed(self, image: Tensor) -> Embedded:
        """Normalised image 1 x 3 x H x W -> `Embedded`."""
        features = self.feature_extracter(image)
        return Embedded(self.semantic_embedding(features.decoded)[0].float().contiguous(), features.low)

    def forward(
        self,
        current: Embedded,
        previous: Tensor,
        labels: Tensor,
        reference: Reference,
        bank: ProxyBank | None,
        slots: int,
        memory: CrossFrame | None = None,
    ) -> tuple[Tensor, CrossFrame]:
        """Logits slots x h x w and the cross-frame memory for the next frame.

        previous: embedding of the frame before. labels: its labels H x W (slots) at any resolution.
        """
        masks = one_hot(sample(labels, (previous.shape[-2], previous.shape[-1])), slots)
        inside = masked_means(previous, masks)
        referenced = reference.means.means(slots)
        vector = torch.cat([*referenced, *inside], 1)
        # distances are differences of large squares: half precision would lose them
        with torch.autocast(previous.device.type, enabled=False):
            maps = matching_maps(
                current.embedding,
                previous,
                masks,
                reference.pool.groups(slots),
                slot_biases(self.bg_bias, self.fg_bias, slots),
                None if bank is None else bank.proxies(reference.pool, slots),
                referenced[0],
                inside[0],
            )
        x = torch.cat([current.embedding.expand(slots, -1, -1, -1), self.dynamic_prehead(maps)], 1)
        logits, memory = self.dynamic_seghead(x, current.low, vector, memory)
        return logits, memory
