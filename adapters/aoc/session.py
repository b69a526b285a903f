"""The official evaluation loop of AOC-Net and RPCM over one video."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask, Video

from ..cfbi_line.preparation import network_size, prepare
from ..common.tensors import strongest
from ..common.torch_adapter import TorchSession
from .decoder import CrossFrame
from .memory import UNCERTAIN, Reference, uncertain
from .network import Embedded

if TYPE_CHECKING:
    from .model import RPCM


class Session(TorchSession):
    """One video. Network slots: 0 background, k the k-th smallest of all ids that the video ever prompts."""

    def __init__(self, adapter: RPCM, video: Video) -> None:
        super().__init__(adapter.precision)
        self.adapter, self.network, self.device = adapter, adapter.network, adapter.device
        # ranks of all ids, so that ids 1..K keep their number, as in the official loop, and any others get one
        self.ids.ids = list(video.object_ids)
        self.input_size = network_size(video.size, adapter.max_long_edge)
        self.time = 0
        self.slots = 1
        self.seen: set[int] = set()
        self.reference = Reference(adapter.corrected, adapter.max_memory_frames)
        self.bank = adapter.proxy_bank()
        self.cross_frame: CrossFrame | None = None
        self.previous: tuple[Tensor, Tensor] | None = None

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame; where a mask is given, its objects are returned as given."""
        given = None if prompt is None else torch.from_numpy(self.ids.to_dense(prompt)).to(self.device).long()
        current = self.network.embed(prepare(frame, self.input_size).to(self.device))
        remembered: Tensor | None
        if self.previous is None and given is not None:
            labels = remembered = given
        else:
            labels, remembered = self.decide(self.predict(current, frame.shape[:2]), given)
        if given is not None:
            found = torch.unique(given).tolist()
            self.seen.update(found)
            self.slots = max(self.slots, found[-1] + 1)
        self._remember(current.embedding, labels, None if last else remembered, given is not None)
        return self.ids.to_original(labels.to(torch.uint8).cpu().numpy())

    def predict(self, current: Embedded, size: tuple[int, ...]) -> Tensor:
        """Probabilities of every slot at the output size, slots x H x W."""
        assert self.previous is not None
        embedding, labels = self.previous
        logits, self.cross_frame = self.network(
            current, embedding, labels, self.reference, self.bank, self.slots, self.cross_frame
        )
        enlarged = F.interpolate(logits[None].float(), tuple(size), mode="bilinear", align_corners=True)[0]
        return torch.softmax(enlarged, 0)

    def decide(self, probabilities: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Labels of the frame, and those to remember it by (None: not remembered)."""
        # the official loop knows background only where an annotation held some; a whole video without is degenerate
        known = self.seen if self.adapter.rpa and not self.adapter.corrected else self.seen | {0}
        present = sorted(known)
        absent = [slot for slot in range(self.slots) if slot not in known]
        probabilities[absent] = 0
        labels = strongest(probabilities)
        if given is not None:
            labels = torch.where(given > 0, given, labels)
        if given is None and (self.adapter.mem_every < 0 or self.time % self.adapter.mem_every):
            return labels, None
        if not self.adapter.rpa or len(present) < 3:
            return labels, labels
        doubtful = uncertain(probabilities[present])
        if given is not None:
            doubtful &= given == 0
        return labels, labels.masked_fill(doubtful, UNCERTAIN)

    def _remember(self, embedding: Tensor, labels: Tensor, remembered: Tensor | None, annotated: bool) -> None:
        """Keep the frame as the previous one, and as a reference where `remembered` holds its labels."""
        if remembered is not None:
            self.reference.add(embedding, remembered, self.slots, annotated)
        self.previous = (embedding, labels)
        self.time += 1
