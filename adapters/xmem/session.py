"""The loop of XMem over a video: the STM line's, with a sensory state."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kit.tensors import aggregate
from ..memory.network import Query
from ..memory.session import Session
from .network import XMem


class SensorySession(Session):
    """Predicted frames update the sensory state through the decoder, remembered ones through the value encoder."""

    network: XMem
    _since: int
    _hidden: Tensor | None = None
    _after: Tensor | None = None

    def predict(self, query: Query) -> Tensor:
        """Aggregated probabilities; the state that follows waits until it is known whether the frame is remembered."""
        readout = torch.cat([bank.read(query.key) for _, bank in self.groups])
        logits, self._after = self.network.decoder(readout, query, self._hidden)
        return aggregate(torch.sigmoid(logits)[:, 0].float())

    def consider(self, image: Tensor, query: Query | None, masks: Tensor, given: bool) -> None:
        """Remember the frame if it is its turn; update the state one way or the other."""
        if query is None:
            raise ValueError("XMem remembers a frame with the features of its query")
        if not given and self._since < self.schedule.every:
            self._hidden = self._after
            return
        value = self.network.value_encoder.values(image, query.f16, masks[:, None])
        width = self.network.widths.hidden
        if width:
            known = 0 if self._hidden is None else len(self._hidden)
            fresh = value.new_zeros(len(value) - known, width, *value.shape[-2:])
            hidden = fresh if self._hidden is None else torch.cat([self._hidden, fresh])
            self._hidden = self.network.value_encoder.hidden_reinforce(value, hidden)
        for objects, bank in self.groups:
            bank.add(query.key, value[objects], False, given)
        self._since = 0
