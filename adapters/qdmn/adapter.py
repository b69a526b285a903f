"""The adapter of QDMN."""

from __future__ import annotations

import math

from torch import Tensor, nn

from robust_vos_bench.datasets.video import Video

from ..memory.network import Query
from ..memory.session import Session
from ..memory.sizes import Sizes
from ..mivos.adapter import MiVOSAdapter
from .bank import QualityBank
from .network import QDMN

ENOUGH = 0.8
"""A frame is remembered for good when its score relative to the given frame's exceeds this (official, DAVIS)."""


class QualitySession(Session):
    """The loop of the official DAVIS code; late objects get banks of their own, which is ours."""

    network: QDMN
    _since: int
    _given_score = math.nan

    def look(self, image: Tensor) -> Query:
        """Features under the masks of the frame before."""
        return self.network.encode_gated(image, self.everything)

    def consider(self, image: Tensor, query: Query | None, masks: Tensor, given: bool) -> None:
        """Remember the frame until the next one, or for good if it is its turn and its masks are good."""
        key, value, scores = self.network.encode_scored(image, masks[:, None])
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

    def build(self) -> nn.Module:
        """The bare network."""
        return QDMN()

    def new_session(self, video: Video) -> Session:
        """A loop that weighs frames by their score."""
        return QualitySession(self.network, Sizes(video.size, self.size), self.schedule, self.device, self.warn)
