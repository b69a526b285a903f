"""The adapters of AOC-Net and RPCM, and their official evaluation loop over one video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import strongest, with_given, without
from robust_vos_bench.models.checkpoint import load_strict, read_state
from robust_vos_bench.models.torch_adapter import Seen, TorchAdapter, TorchSession

from ..cfbi_line.preparation import network_size, prepare
from ..common.inference import settle
from ..encoders.fold import fold_frozen_norms
from .conditioning import READINGS
from .decoder import CrossFrame
from .memory import UNCERTAIN, Reference, uncertain
from .network import AOCNet, Embedded
from .proxies import ProxyBank
from .weights import UNTRAINED, with_aliases

MAX_LONG_EDGE = 1040
"""Longest input side at the single scale (800 * 1.3)."""


class Session(TorchSession):
    """One video. Network slots: 0 background, k the k-th smallest of all ids that the video ever prompts."""

    def __init__(self, adapter: RPCM, video: Video) -> None:
        super().__init__(adapter.precision)
        self.adapter, self.network, self.device = adapter, adapter.network, adapter.device
        # ranks of all ids, so that ids 1..K keep their number, as in the official loop, and any others get one
        self.ids.ids = list(video.object_ids)
        self.size = video.size
        self.input_size = network_size(video.size, adapter.max_long_edge)
        self.time = 0
        self.slots = 1
        self.seen: set[int] = set()
        self.reference = Reference(adapter.corrected, adapter.max_memory_frames)
        self.bank = adapter.proxy_bank()
        self.cross_frame: CrossFrame | None = None
        self.previous: tuple[Tensor, Tensor] | None = None

    def image(self, frame: Frame | Tensor) -> Tensor:
        """The network's image."""
        return prepare(frame, self.input_size).to(self.device)

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        """Logits of the next frame and the slots that no pixel may get; where a mask is given, its objects are
        returned as given."""
        given = None if prompt is None else torch.from_numpy(self.ids.to_dense(prompt)).to(self.device).long()
        current = self.network.embed(image)
        scores: tuple[Tensor, list[int]] | None = None
        remembered: Tensor | None
        if self.previous is None and given is not None:
            labels = remembered = given
        else:
            logits = self.predict(current)
            scores = logits, self.absent()
            labels, remembered = self.decide(torch.softmax(logits.detach(), 0), given)
        if given is not None:
            found = torch.unique(given).tolist()
            self.seen.update(found)
            self.slots = max(self.slots, found[-1] + 1)
        self._remember(current.embedding, labels, None if last else remembered, given is not None)
        return Seen(scores, given, labels.to(torch.uint8))

    def logits(self, scores: Seen) -> Tensor:
        """Of the slots, with what is given, slots x H x W."""
        found = None if scores.scores is None else without(*scores.scores)
        if scores.given is None:
            assert found is not None
            return found
        return with_given(found, scores.given, self.slots)

    def predict(self, current: Embedded) -> Tensor:
        """Logits of every slot at the output size, slots x H x W."""
        assert self.previous is not None
        embedding, labels = self.previous
        logits, self.cross_frame = self.network(
            current, embedding, labels, self.reference, self.bank, self.slots, self.cross_frame
        )
        return F.interpolate(logits[None].float(), self.size, mode="bilinear", align_corners=True)[0]

    def known(self) -> set[int]:
        """Slots that a pixel may get."""
        # the official loop knows background only where an annotation held some; a whole video without is degenerate
        return self.seen if self.adapter.rpa and not self.adapter.corrected else self.seen | {0}

    def absent(self) -> list[int]:
        """Slots that no pixel may get."""
        known = self.known()
        return [slot for slot in range(self.slots) if slot not in known]

    def decide(self, probabilities: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Labels of the frame, and those to remember it by (None: not remembered)."""
        present = sorted(self.known())
        probabilities[self.absent()] = 0
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


class RPCM(TorchAdapter):
    """RPCM: reliable proxy augmentation (which frames and pixels are remembered) around propagation and correction.

    rpa: False is the paper's network without reliable proxy augmentation, which remembers annotated frames only.
    mem_every: remember every n-th frame; -1 only annotated ones. corrected: repair what the official code gets wrong
    but a network trained with it has seen (see docs/models/aoc.md). max_long_edge: longest input side in pixels.
    max_memory_frames: bound on the remembered frames (annotated ones always stay); None follows the published rule.
    """

    untrained = UNTRAINED
    network: AOCNet

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        rpa: bool = True,
        mem_every: Annotated[int, Meta(ge=-1)] = 5,
        corrected: bool = False,
        max_long_edge: Annotated[int, Meta(ge=33)] = MAX_LONG_EDGE,
        max_memory_frames: Annotated[int, Meta(ge=1)] | None = None,
        **options: Any,
    ) -> None:
        if mem_every == 0:
            raise UsageError("option mem_every is 0; it must be a number of frames, or -1 for never")
        super().__init__(checkpoint, device, **options)
        fold_frozen_norms(self.network.feature_extracter)
        settle(self.network, device)
        self.rpa = rpa
        self.mem_every = mem_every if rpa else -1
        self.corrected = corrected
        self.max_long_edge = max_long_edge
        self.max_memory_frames = max_memory_frames

    def build(self) -> nn.Module:
        """RPCM's network."""
        return AOCNet(None)

    def load(self, network: nn.Module, path: Path) -> None:
        """Load a checkpoint of the official training code (`save_step_<N>.pth`), strictly."""
        load_strict(
            network,
            with_aliases(read_state(path)),
            str(path),
            hint="Expected is a file that the official training code saves; its DeepLab weights alone are not enough.",
        )

    def proxy_bank(self) -> ProxyBank | None:
        """A fresh store of proxies for one video; None for a network without proxies."""
        return None

    def session(self, video: Video) -> Session:
        """Neither references, cross-frame memory nor clusters; the official evaluator carries some to the next video.

        Raises UsageError for a video of too many objects.
        """
        if len(video.object_ids) >= UNCERTAIN:
            raise UsageError(
                f"video {video.name!r} has {len(video.object_ids)} objects; {type(self).__name__} takes "
                f"{UNCERTAIN - 1} at most"
            )
        return Session(self, video)


class AOC(RPCM):
    """AOC-Net: RPCM's loop around matching with adaptive proxies and calibration by conditioning blocks.

    conditioning: how the blocks are read that cannot run as published (`conditioning.READINGS`). cluster_seed: seed
    of the rows that clustering starts from. mem_every: -1 is the base model (first and previous frame only).
    The other options are RPCM's.
    """

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        conditioning: str = "strict",
        cluster_seed: int = 0,
        **options: Any,
    ) -> None:
        if conditioning not in READINGS:
            raise UsageError(f"conditioning is {conditioning!r}; it must be one of {', '.join(READINGS)}")
        self.conditioning = conditioning
        self.cluster_seed = cluster_seed
        super().__init__(checkpoint, device, **options)

    def build(self) -> nn.Module:
        """AOC-Net's network."""
        return AOCNet(self.conditioning)

    def proxy_bank(self) -> ProxyBank | None:
        """A fresh store of proxies for one video."""
        return ProxyBank(self.cluster_seed, self.corrected)
