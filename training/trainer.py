"""The training loop: keyed clips, closed-loop loss, AdamW, averaged weights, a state that can be saved at any step."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from robust_vos_bench.errors import DataError, RvosError
from training.clips import Clips, make_clips
from training.draws import USUAL
from training.images import Stills
from training.keys import generator
from training.losses import HARDEST, frame_loss
from training.mistakes import SHARES, mistaken
from training.ours import DISTINCT, LiteNetwork, trained
from training.recipes import damaged, damages
from training.rollout import closed_loop_jaccard, roll_out, static_jaccard
from training.settings import NETWORKS, Settings
from training.state import State
from training.video_clips import make_video_clips, watched
from training.videos import Videos

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
RENEWED_FROM = USUAL.renewed_from
"""Steps after which fewer answers are made false; the usual surfaces of objects are replaced from there on."""
HARDEST_FROM = 2000
"""Steps over which the share of pixels that count falls from one to `HARDEST`."""
AVERAGE = 0.999
"""Decay of the averaged weights once there have been enough steps; before, the average spans a tenth of them."""
CLIP = 1.0
"""Largest norm of a gradient."""
VALIDATION = 6
"""Validation batches of four clips of five frames."""


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


def fit(network: LiteNetwork, weights: dict[str, Tensor], model: str) -> None:
    """Load weights. Raises DataError where they are those of another network."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"the training state does not fit {model}: {error}") from error


class Trainer:
    """One training, at some step; `state` and `restore` carry it from process to process."""

    def __init__(
        self,
        settings: Settings,
        stills: Stills,
        device: str = "cpu",
        videos: Videos | None = None,
        start: dict[str, Tensor] | None = None,
    ) -> None:
        """videos, start: what the video stage trains on, and the weights that it starts from."""
        settings.check()
        if settings.video and (videos is None or start is None):
            raise DataError("the recipe `video` needs videos and the weights of a training on stills")
        self.settings, self.device = settings, device
        self.stills, self.videos = stills.to(device), videos
        self.network = initial(settings)
        if start is not None:
            fit(self.network, start, settings.model)
        self.network.train().to(device)
        self.average = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.step, self.seconds = settings.begun, 0.0
        self.curve: list[dict[str, float]] = []
        self.losses: list[float] = []
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
        age = settings.age(step)
        late = age >= RENEWED_FROM
        clips = self.clips()
        rng, mistakes = generator(settings.seed, "loop", step), generator(settings.seed, "mistakes", step)
        truth_fed = float(torch.rand((), generator=rng)) < 1 - age / TRUTH_FED
        references = (1,) if float(torch.rand((), generator=rng)) < 0.5 else ()
        hardest = 1 - (1 - HARDEST) * min(1.0, age / HARDEST_FROM)
        for parameter in self.tuned:
            parameter.requires_grad_(age >= TRUNK_FROM)
        losses: list[Tensor] = []
        factor = min(1.0, (self.made + 1) / WARM_UP) / max(1.0, age / STEADY) ** 0.5 * self.unsettled
        for group, rate in zip(self.optimiser.param_groups, self.rates):
            group["lr"] = rate * factor

        def altered(labels: Tensor) -> Tensor:
            return mistaken(labels, clips.valid, mistakes, SHARES[late])

        def seen(logits: Tensor, t: int) -> None:
            losses.append(frame_loss(logits, clips.labels[:, t], clips.valid, hardest))

        with self._precision():
            identities = self._identities(rng, clips)
            change = altered if age >= MISTAKES_FROM else None
            roll_out(self.network, clips, seen, truth_fed, references, identities, change, levelled=settings.levelled)
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
        self.losses.append(value)
        kind = self.device.split(":")[0]
        self.devices[kind] = self.devices.get(kind, 0) + 1
        self.seconds += time.perf_counter() - began
        return value

    @property
    def made(self) -> int:
        """Steps of this training, without those that the weights it started from had made."""
        return self.step - self.settings.begun

    @property
    def unsettled(self) -> float:
        """Share of the usual learning rate that the coming step has: 1, and less and less where the rate settles."""
        settings = self.settings
        return max(0.0, 1 - self.made / (settings.settled - settings.begun)) if settings.settled else 1.0

    def clips(self) -> Clips:
        """The clips of the coming step: a function of seed, step and settings, whatever the model."""
        s, step = self.settings, self.step
        if s.video and self.videos is not None:
            return make_video_clips(
                self.videos, self.stills, s.seed, step, s.batch, s.length, s.crop, s.variation, self.device
            )
        key = ("train", step)
        renewed = s.age(step) >= s.variation.renewed_from
        clips = make_clips(self.stills, s.seed, key, s.batch, s.length, s.crop, renewed=renewed, variation=s.variation)
        return damaged(clips, s.seed, key, s.damaged) if damages(s.recipe, s.age(step)) else clips

    def _identities(self, rng: torch.Generator, clips: Clips) -> Tensor:
        """Background and as many distinct identities in random order for each clip, B x slots."""
        order = torch.rand(len(clips.valid), DISTINCT, generator=rng).argsort(1)[:, : clips.slots - 1] + 1
        return torch.cat([torch.zeros_like(order[:, :1]), order], 1).to(self.device)

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        gpu = self.device.startswith("cuda")
        with torch.autocast("cuda" if gpu else "cpu", torch.bfloat16, enabled=gpu and torch.cuda.is_bf16_supported()):
            yield

    def validate(
        self, held_out: Stills, batches: int = VALIDATION, side: int = 257, watch: Videos | None = None
    ) -> dict[str, float]:
        """Mean closed-loop J of the averaged weights on held-out clips, on the same clips damaged, and of static masks.

        All recipes are validated on both. watch: videos that are not trained on, for J on clips of them alone.
        """
        network, levelled = self._averaged(), self.settings.levelled
        found: dict[str, list[float]] = {"validation_j": [], "damaged_j": [], "static_j": []}
        stills = held_out.to(self.device)
        for i in range(batches):
            key = ("validation", i)
            clips: Clips = make_clips(stills, 0, key, 4, 5, side, 1 + i % 3)
            found["static_j"] += static_jaccard(clips)
            found["validation_j"] += closed_loop_jaccard(network, clips, levelled)
            found["damaged_j"] += closed_loop_jaccard(network, damaged(clips, 0, key), levelled)
        for number in range(len(watch or ())):
            assert watch is not None
            clips = watched(watch, number, side, self.device)
            found.setdefault("video_j", []).extend(closed_loop_jaccard(network, clips, levelled))
        return {name: sum(values) / len(values) for name, values in found.items() if values}

    def _averaged(self) -> LiteNetwork:
        with torch.random.fork_rng(devices=[]):
            network = build(self.settings.model)
        network.load_state_dict(self.average)
        return network.eval().to(self.device)

    def state(self) -> State:
        """A copy of everything, on the CPU."""
        return State(
            self.settings.record() | {"data": self.digest()},
            self.step,
            trained(self.network),
            {name: tensor.detach().cpu().clone() for name, tensor in self.average.items()},
            _on_cpu(self.optimiser.state_dict()),
            list(self.curve),
            self.seconds,
            dict(self.devices),
            list(self.losses),
        )

    def digest(self) -> str:
        """What identifies the data: pictures and, in the video stage, videos."""
        return self.stills.digest if self.videos is None else f"{self.stills.digest} {self.videos.digest}"

    def restore(self, state: State) -> None:
        """Go on from a state (whose settings have been compared). Raises DataError where it is of another network."""
        fit(self.network, state.network, self.settings.model)
        self.average = {name: tensor.to(self.device) for name, tensor in state.average.items()}
        self.optimiser.load_state_dict(state.optimiser)
        self.step, self.seconds = state.step, state.seconds
        self.curve, self.devices, self.losses = list(state.curve), dict(state.devices), list(state.losses)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_on_cpu(item) for item in value]
    return value
