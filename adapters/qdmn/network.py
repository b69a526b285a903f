"""QDMN: MiVOS with a gate by the last mask on the query's features and a score of each frame's masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..memory.network import Query
from ..mivos.network import MiVOS
from .bank import QualityBank
from .quality import ASPP, Score


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
        f16 = self.memory_features(image, masks)
        key, value = self.kv_m_f16(f16)
        return key, value, self.score(f16)

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """See `MemoryNetwork`."""
        joined = torch.cat([readout, query.value.expand(len(readout), -1, -1, -1)], 1)
        return torch.sigmoid(self.decoder(self.aspp(joined), None, query.f8, query.f4))[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> QualityBank:
        """At most 22 frames, chosen by score and age; `max_frames` bounds them further."""
        return QualityBank(top_k, max_frames)
