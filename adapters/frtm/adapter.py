"""FRTM as a model of this project: options, weights, a session per video."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.conditions.draw import key_entropy
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError, WeightsError, unknown
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import find_also, load_strict, read_state
from robust_vos_bench.models.torch_adapter import TorchAdapter

from ..common.siblings import hint
from ..encoders.fold import prepare
from .cards import BACKBONES, MODELS
from .network import FRTM, Depth
from .session import FRTMSession, Rules
from .target import FAST, Fitting
from .untrained import UNTRAINED

Protocol = Literal["davis", "youtube-vos"]
Merge = Literal["soft", "raw"]
_TOLD_BY = "refiner.TSE.layer4.reduce.0.weight"
_DEPTHS: dict[int, Depth] = {1024: "resnet101", 256: "resnet18"}
"""Inputs of that tensor -> backbone."""


class FRTMAdapter(TorchAdapter):
    """FRTM with the official settings.

    variant: "resnet101" or "resnet18", the backbone. protocol: the authors' program for all data sets ("davis"), or
    the other one, which they call work in progress, for YouTube-VOS. merge: labels from merged shares ("soft") or from
    the objects' own probabilities ("raw"); by default as the protocol. fast: fewer steps. corrected: placements in
    fours, and labels that are never mixed up (see `Rules`). update_every: frames from one fit to the next.
    memory_slots: samples that each object remembers, which bounds the memory. seed: of placements and first weights.
    """

    untrained = UNTRAINED
    network: FRTM

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        variant: Depth = "resnet101",
        protocol: Protocol = "davis",
        merge: Merge | None = None,
        fast: bool = False,
        corrected: bool = False,
        update_every: Annotated[int, Meta(ge=1)] = 8,
        memory_slots: Annotated[int, Meta(ge=5)] = 80,
        seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0,
        **options: Any,
    ) -> None:
        if variant not in get_args(Depth):
            raise unknown("FRTM variant", variant, get_args(Depth))
        for name, value, allowed in (("protocol", protocol, get_args(Protocol)), ("merge", merge, get_args(Merge))):
            if value is not None and value not in allowed:
                raise UsageError(f"model 'frtm': option {name} is {value!r}; it can be {', '.join(allowed)}")
        self.variant, self.protocol, self.seed = variant, protocol, seed
        other = protocol == "youtube-vos"
        self.rules = Rules(not other, other, (merge or ("raw" if other else "soft")) == "raw", corrected)
        self.fitting = replace(
            FAST if fast else Fitting(), every=update_every, slots=memory_slots, fletcher_reeves=other
        )
        super().__init__(checkpoint, device, **options)
        prepare(self.network, device)

    def build(self) -> nn.Module:
        """The bare networks."""
        return FRTM(self.variant)

    def load(self, network: nn.Module, path: Path) -> None:
        """The refiner from the checkpoint, the backbone from torchvision's file."""
        assert isinstance(network, FRTM)
        state = read_state(path)
        told = state.get(_TOLD_BY)
        depth = _DEPTHS.get(told.shape[1]) if told is not None and told.ndim == 4 else None
        if depth is not None and depth != self.variant:
            name = next(e.name for e in MODELS if e.options["variant"] == depth)
            raise WeightsError(
                f"{path} is a checkpoint of FRTM with {_said(depth)}, and this model has {_said(self.variant)}: run it "
                f"with --model {name} --checkpoint FILE"
            )
        load_strict(
            network.refiner,
            {n.removeprefix("refiner."): t for n, t in state.items()},
            str(path),
            hint=hint(state, "frtm"),
        )
        card = next(e.card for e in MODELS if e.options["variant"] == self.variant)
        backbone = find_also(card, BACKBONES[self.variant].file)
        load_strict(network.feature_extractor, _without_classifier(read_state(backbone)), str(backbone))

    def session(self, video: Video) -> FRTMSession:
        """A loop without objects."""
        draws = partial(_keyed, self.seed, video.name) if self.protocol == "youtube-vos" else self._same
        return FRTMSession(self.network, draws, self.fitting, self.rules, self.device, self.precision)

    def _same(self, i: int) -> tuple[np.random.RandomState, torch.Generator]:
        """The authors seed the global generators anew for every object, always alike; these are private."""
        return np.random.RandomState(self.seed), torch.Generator().manual_seed(self.seed)


def _keyed(seed: int, video: str, i: int) -> tuple[np.random.RandomState, torch.Generator]:
    """The other program never seeds; streams that depend on seed, video and object alone, so that results repeat."""
    entropy = key_entropy("frtm.samples", seed, video, i)
    sequence = np.random.SeedSequence(entropy)
    return np.random.RandomState(np.random.MT19937(sequence)), torch.Generator().manual_seed(entropy % 2**63)


def _without_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def _said(depth: Depth) -> str:
    return "ResNet-101" if depth == "resnet101" else "ResNet-18"
