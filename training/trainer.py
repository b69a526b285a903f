"""The training loop: keyed clips, closed-loop loss, AdamW, averaged weights, a state that can be saved at any step."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from robust_vos_bench.errors import DataError, RvosError, unknown
from training.clips import Clips, make_clips
from training.images import Stills
from training.keys import generator
from training.losses import HARDEST, frame_loss
from training.mistakes import SHARES, mistaken
from training.ours import DISTINCT, LiteNetwork, trained
from training.recipes import RECIPES, damaged, damages
from training.rollout import closed_loop_jaccard, roll_out, static_jaccard
from training.state import State

NETWORKS = {
    "aoc.lite": "robust_vos_bench.adapters.aoc.lite:AOCLite",
    "aot.lite": "robust_vos_bench.adapters.aot.lite:AOTLite",
    "cfbi.lite": "robust_vos_bench.adapters.cfbi.lite:CFBILite",
}
VERSION = 1
"""Raised when a change of code or constants makes a step compute something else: a state goes on only under its own."""
WARM_UP = 100
"""Steps over which the learning rate rises."""
STEADY = 1500
"""Steps after which it falls with the square root of the step: a schedule that may be cut anywhere."""
TRUNK_FROM = 1000
"""Steps before which the pretrained trunk is left alone: the new layers settle first."""
TRUTH_FED = 1000
"""Steps over which the share of batches that are fed true masks falls from one to zero."""
MISTAKES_FROM = 1000
"""Steps after which some of what a network remembers of its own answers is made false."""
RENEWED_FROM = 2000
"""Steps after which surfaces of objects are replaced, and fewer answers are made false."""
HARDEST_FROM = 2000
"""Steps over which the share of pixels that count falls from one to `HARDEST`."""
AVERAGE = 0.999
"""Decay of the averaged weights once there have been enough steps; before, the average spans a tenth of them."""
CLIP = 1.0
"""Largest norm of a gradient."""
VALIDATION = 6
"""Validation batches of four clips of five frames."""


@dataclass(frozen=True)
class Settings:
    """What the weights depend on, besides the data and the number of steps."""

    model: str
    recipe: str = "plain"
    seed: int = 0
    batch: int = 4
    length: int = 3
    crop: int = 209
    """Side of the clips in pixels, 16 n + 1."""
    rate: float = 6e-4
    """Learning rate of the new layers."""
    trunk_rate: float = 1e-4
    """Learning rate of the pretrained trunk."""
    weight_decay: float = 0.01
    version: int = VERSION

    def check(self) -> None:
        """Raise a UsageError for what cannot be."""
        if self.model not in NETWORKS:
            raise unknown("lite model", self.model, NETWORKS)
        if self.recipe not in RECIPES:
            raise unknown("recipe", self.recipe, RECIPES)


def build(model: str) -> LiteNetwork:
    """The bare network of a lite model."""
    module, _, name = NETWORKS[model].partition(":")
    network: LiteNetwork = getattr(importlib.import_module(module), name)()
    return network


def initial(settings: Settings) -> LiteNetwork:
    """The network as training starts: ImageNet trunk, the rest drawn from the seed; global state is left alone."""
    key = generator(settings.seed, settings.model, "initial").initial_seed()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key)
        network = build(settings.model)
    network.trunk.load_imagenet()
    return network


class Trainer:
    """One training, at some step; `state` and `restore` carry it from process to process."""

    def __init__(self, settings: Settings, stills: Stills, device: str = "cpu") -> None:
        settings.check()
        self.settings, self.device = settings, device
        self.stills = stills.to(device)
        self.network = initial(settings)
        self.network.train().to(device)
        self.average = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        self.devices: dict[str, int] = {}
        trunk = {id(p) for p in self.network.trunk.parameters()}
        self.network.trunk.freeze_early()
        self.tuned = [p for p in self.network.trunk.parameters() if p.requires_grad]
        learnt = [p for p in self.network.parameters() if p.requires_grad]
        groups = [
            ([p for p in learnt if id(p) in trunk], settings.trunk_rate, 0.0),
            ([p for p in learnt if id(p) not in trunk and p.ndim > 1], settings.rate, settings.weight_decay),
            ([p for p in learnt if id(p) not in trunk and p.ndim <= 1], settings.rate, 0.0),
        ]
        self.rates = [rate for _, rate, _ in groups]
        self.optimiser = torch.optim.AdamW(
            [{"params": params, "lr": rate, "weight_decay": decay} for params, rate, decay in groups], betas=(0.9, 0.99)
        )

    def advance(self) -> float:
        """Make one step; returns its loss. Raises RvosError where the loss is no number."""
        began = time.perf_counter()
        settings, step = self.settings, self.step
        key = ("train", step)
        late = step >= RENEWED_FROM
        clips = make_clips(
            self.stills, settings.seed, key, settings.batch, settings.length, settings.crop, renewed=late
        )
        if damages(settings.recipe, step):
            clips = damaged(clips, settings.seed, key)
        rng, mistakes = generator(settings.seed, "loop", step), generator(settings.seed, "mistakes", step)
        truth_fed = float(torch.rand((), generator=rng)) < 1 - step / TRUTH_FED
        references = (1,) if float(torch.rand((), generator=rng)) < 0.5 else ()
        hardest = 1 - (1 - HARDEST) * min(1.0, step / HARDEST_FROM)
        for parameter in self.tuned:
            parameter.requires_grad_(step >= TRUNK_FROM)
        losses: list[Tensor] = []
        factor = min(1.0, (step + 1) / WARM_UP) / max(1.0, step / STEADY) ** 0.5
        for group, rate in zip(self.optimiser.param_groups, self.rates):
            group["lr"] = rate * factor

        def altered(labels: Tensor) -> Tensor:
            return mistaken(labels, clips.valid, mistakes, SHARES[late])

        def seen(logits: Tensor, t: int) -> None:
            losses.append(frame_loss(logits, clips.labels[:, t], clips.valid, hardest))

        with self._precision():
            identities = self._identities(rng, clips)
            change = altered if step >= MISTAKES_FROM else None
            roll_out(self.network, clips, seen, truth_fed, references, identities, change)
        loss = torch.stack(losses).mean()
        value = float(loss.detach())
        if value != value:
            raise RvosError(f"{settings.model}, step {step}: the loss is not a number; the last saved state is intact")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        decay = min(AVERAGE, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.values()), list(self.network.state_dict().values()), 1 - decay)
        self.step += 1
        kind = self.device.split(":")[0]
        self.devices[kind] = self.devices.get(kind, 0) + 1
        self.seconds += time.perf_counter() - began
        return value

    def _identities(self, rng: torch.Generator, clips: Clips) -> Tensor:
        """Background and as many distinct identities in random order for each clip, B x slots."""
        order = torch.rand(len(clips.valid), DISTINCT, generator=rng).argsort(1)[:, : clips.slots - 1] + 1
        return torch.cat([torch.zeros_like(order[:, :1]), order], 1).to(self.device)

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        gpu = self.device.startswith("cuda")
        with torch.autocast("cuda" if gpu else "cpu", torch.bfloat16, enabled=gpu and torch.cuda.is_bf16_supported()):
            yield

    def validate(self, held_out: Stills, batches: int = VALIDATION, side: int = 257) -> dict[str, float]:
        """Mean closed-loop J of the averaged weights on held-out clips, on the same clips damaged, and of static masks.

        Both recipes are validated on both.
        """
        network = self._averaged()
        found: dict[str, list[float]] = {"validation_j": [], "damaged_j": [], "static_j": []}
        stills = held_out.to(self.device)
        for i in range(batches):
            key = ("validation", i)
            clips: Clips = make_clips(stills, 0, key, 4, 5, side, 1 + i % 3)
            found["static_j"] += static_jaccard(clips)
            found["validation_j"] += closed_loop_jaccard(network, clips)
            found["damaged_j"] += closed_loop_jaccard(network, damaged(clips, 0, key))
        return {name: sum(values) / len(values) for name, values in found.items()}

    def _averaged(self) -> LiteNetwork:
        with torch.random.fork_rng(devices=[]):
            network = build(self.settings.model)
        network.load_state_dict(self.average)
        return network.eval().to(self.device)

    def state(self) -> State:
        """A copy of everything, on the CPU."""
        return State(
            asdict(self.settings) | {"data": self.stills.digest},
            self.step,
            trained(self.network),
            {name: tensor.detach().cpu().clone() for name, tensor in self.average.items()},
            _on_cpu(self.optimiser.state_dict()),
            list(self.curve),
            self.seconds,
            dict(self.devices),
        )

    def restore(self, state: State) -> None:
        """Go on from a state (whose settings have been compared). Raises DataError where it is of another network."""
        try:
            self.network.load_state_dict(state.network)
        except RuntimeError as error:
            raise DataError(f"the training state does not fit {self.settings.model}: {error}") from error
        self.average = {name: tensor.to(self.device) for name, tensor in state.average.items()}
        self.optimiser.load_state_dict(state.optimiser)
        self.step, self.seconds = state.step, state.seconds
        self.curve, self.devices = list(state.curve), dict(state.devices)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_on_cpu(item) for item in value]
    return value
