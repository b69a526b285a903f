"""AOC-Net and RPCM as streaming models: the official evaluation loop, one video at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import load_strict, read_state

from ..cfbi.preparation import network_size, prepare
from ..encoders.fold import fold_frozen_norms
from ..kit.ids import IdMap
from ..kit.tensors import strongest
from ..kit.torch_adapter import TorchAdapter
from .conditioning import READINGS
from .decoder import CrossFrame
from .memory import UNCERTAIN, Reference, uncertain
from .network import AOCNet, Embedded
from .proxies import ProxyBank
from .weights import recipe, with_aliases

MAX_LONG_EDGE = 1040
"""Longest input side at the single scale (800 * 1.3)."""


class RPCM(TorchAdapter):
    """RPCM: reliable proxy augmentation (which frames and pixels are remembered) around propagation and correction.

    rpa: False is the paper's network without reliable proxy augmentation, which remembers annotated frames only.
    mem_every: remember every n-th frame; -1 only annotated ones. corrected: mend what the official code gets wrong
    but a network trained with it has seen (see docs/models/aoc.md). max_long_edge: longest input side in pixels.
    max_memory_frames: bound on the remembered frames (annotated ones always stay); None follows the published rule.
    """

    network: AOCNet

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        rpa: bool = True,
        mem_every: int = 5,
        corrected: bool = False,
        max_long_edge: int = MAX_LONG_EDGE,
        max_memory_frames: int | None = None,
        **options: Any,
    ) -> None:
        if mem_every == 0 or mem_every < -1:
            raise UsageError(f"mem_every is {mem_every}; it must be a number of frames, or -1 for never")
        if max_long_edge < 33:
            raise UsageError(f"max_long_edge is {max_long_edge}; it must be at least 33 pixels")
        if max_memory_frames is not None and max_memory_frames < 1:
            raise UsageError(f"max_memory_frames is {max_memory_frames}; it must be at least 1")
        super().__init__(checkpoint, device, **options)
        fold_frozen_norms(self.network.feature_extracter)
        if device == "cpu":
            # 1 x 1 convolutions run faster on rows of channels
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.rpa = rpa
        self.mem_every = mem_every if rpa else -1
        self.corrected = corrected
        self.max_long_edge = max_long_edge
        self.max_memory_frames = max_memory_frames

    def build(self) -> nn.Module:
        """RPCM's network."""
        return AOCNet(None)

    def recipe(self, name: str, shape: tuple[int, ...]) -> NDArray[np.floating] | None:
        """Deterministic values by name."""
        return recipe(name, shape)

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

    def reset(self, video: Video) -> None:
        """Forget references, cross-frame memory and clusters; the official evaluator carries some to the next video."""
        self.ids = IdMap()
        # ranks of all ids, so that ids 1..K keep their number, as in the official loop, and any others get one
        self.ids.ids = list(video.object_ids)
        self.diagnostics = []
        if len(self.ids) >= UNCERTAIN:
            raise UsageError(
                f"video {video.name!r} has {len(self.ids)} objects; {type(self).__name__} takes {UNCERTAIN - 1} at most"
            )
        self.input_size = network_size(video.size, self.max_long_edge)
        self.time = 0
        self.slots = 1
        self.seen: set[int] = set()
        self.reference = Reference(self.corrected, self.max_memory_frames)
        self.bank = self.proxy_bank()
        self.cross_frame: CrossFrame | None = None
        self.previous: tuple[Tensor, Tensor] | None = None

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment one frame; where a mask is given, its objects are returned as given."""
        given = None if prompt is None else torch.from_numpy(self.ids.to_dense(prompt)).to(self.device).long()
        with self.precision():
            current = self.network.embed(prepare(frame, self.input_size).to(self.device))
            if self.previous is None:
                labels = torch.zeros(frame.shape[:2], dtype=torch.long, device=self.device) if given is None else given
                remembered: Tensor | None = labels
            else:
                labels, remembered = self.decide(self.predict(current, frame.shape[:2]), given)
            if given is not None:
                found = given.unique().tolist()
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
        known = self.seen if self.rpa and not self.corrected else self.seen | {0}
        present = sorted(known)
        absent = [slot for slot in range(self.slots) if slot not in known]
        probabilities[absent] = 0
        labels = strongest(probabilities)
        if given is not None:
            labels = torch.where(given > 0, given, labels)
        if given is None and (self.mem_every < 0 or self.time % self.mem_every):
            return labels, None
        if not self.rpa or len(present) < 3:
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
