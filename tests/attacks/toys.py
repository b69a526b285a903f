"""A small differentiable model that remembers colours, and the same with one planted fault each."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench import ModelCard, Video, VOSAdapter
from robust_vos_bench.datasets.video import Mask
from robust_vos_bench.models.differentiable import Scores

FAULTS = ("", "rounding", "detached", "nan", "noise", "killer", "other")


class _Steps(torch.autograd.Function):
    """The identity, whose gradient says nothing: it has the sign of a pattern that has nothing to do with the loss."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        there = gradients[0].abs().amax() + 1e-12
        pattern = torch.sin(torch.arange(gradients[0].numel(), dtype=torch.float32) * 12.9898).reshape(
            gradients[0].shape
        )
        return there * pattern


class _Colours:
    """One video: an object is what has its prompt's mean colour after a 3 x 3 blur, and was near it before."""

    def __init__(self, video: Video, fault: str) -> None:
        self.video, self.fault, self.frame = video, fault, 0
        self.ids: tuple[int, ...] = ()
        self.colours: list[Tensor] = []
        self.labels: Tensor | None = None

    def step(self, frame: Tensor) -> Scores | None:
        t, self.frame = self.frame, self.frame + 1
        prompt = self.video.prompts.get(t)
        if t < self.video.first_prompt:
            return None
        features = frame / 255
        if self.fault == "rounding":
            features = (features * 32).round() / 32
        if self.fault == "killer":
            features = _Steps.apply(features)
        if self.fault == "nan":
            features = features + 0 * (features - features.detach()).abs().sqrt()
        if self.fault == "noise":
            features = features + 0.1 * torch.randn(features.shape)
        features = torch.nn.functional.avg_pool2d(features[None], 3, 1, 1, count_include_pad=False)[0]
        if prompt is not None:
            self._learn(features, prompt)
        return self._scores(features, prompt)

    def _learn(self, features: Tensor, prompt: Mask) -> None:
        if not self.colours:
            self.colours.append(features[:, torch.from_numpy(prompt == 0)].mean(1))
        for i in sorted(set(np.unique(prompt).tolist()) - {0}):
            self.ids = (*self.ids, i)
            colour = features[:, torch.from_numpy(prompt == i)].mean(1)
            self.colours.append(colour.detach() if self.fault == "detached" else colour)
        if self.fault == "detached":
            self.colours[0] = self.colours[0].detach()

    def _scores(self, features: Tensor, prompt: Mask | None) -> Scores:
        values = torch.stack([-60 * ((features - colour[:, None, None]) ** 2).sum(0) for colour in self.colours])
        if prompt is not None:
            for slot, i in enumerate(self.ids, 1):
                shown = torch.from_numpy(prompt == i)
                values = torch.where(shown, torch.zeros_like(values), values)
                values[slot] = torch.where(shown, torch.full_like(values[slot], 10.0), values[slot])
        return Scores(values, self.ids)

    def detach(self) -> None:
        self.colours = [colour.detach() for colour in self.colours]

    def copy(self) -> _Colours:
        other = copy.copy(self)
        other.colours = [colour.detach() for colour in self.colours]
        return other


class Toy(VOSAdapter):
    """fault: "" for none, or one of `FAULTS`."""

    card = ModelCard("toy", differentiable=True, interleaves=True)

    def __init__(self, checkpoint: object = None, device: str = "cpu", *, fault: str = "") -> None:
        super().__init__(None, device)
        self.fault = fault

    def rolling(self, video: Video, *, checkpointed: bool = False) -> _Colours:
        return _Colours(video, self.fault)

    def roll_out(self, frames: Iterable[Tensor], video: Video) -> Iterator[Scores | None]:
        state = self.rolling(video)
        for frame in frames:
            yield state.step(frame)

    def segment(self, video: Video) -> Iterator[Mask]:
        with torch.no_grad():
            frames = (torch.from_numpy(np.ascontiguousarray(f.transpose(2, 0, 1))).float() for f in video.frames)
            for scores in self.roll_out(frames, video):
                mask = np.zeros(video.size, np.uint8) if scores is None else scores.mask()
                yield np.roll(mask, 3, 1) if self.fault == "other" else mask


class _Deaf(_Colours):
    """Its labels are those of the prompt, whatever the frames show; gradients are there, and small."""

    def _scores(self, features: Tensor, prompt: Mask | None) -> Scores:
        shown = torch.from_numpy(self.video.prompts[self.video.first_prompt] > 0).float()
        seen = sum((features - colour[:, None, None]).mean() for colour in self.colours)
        return Scores(torch.stack([1 - shown, shown]) * (10 + 1e-3 * seen), self.ids)


class Deaf(Toy):
    """A model that no change of the frames can move."""

    card = ModelCard("deaf", differentiable=True, interleaves=True)

    def rolling(self, video: Video, *, checkpointed: bool = False) -> _Deaf:
        return _Deaf(video, self.fault)


class Setting(Toy):
    """A model that sets something of its process when it is loaded, and needs it."""

    card = ModelCard("setting", differentiable=True, interleaves=True)

    def __init__(self, checkpoint: object = None, device: str = "cpu") -> None:
        super().__init__(None, device)
        os.environ["RVOS_TOY"] = "set"

    def rolling(self, video: Video, *, checkpointed: bool = False) -> _Colours:
        assert os.environ.get("RVOS_TOY") == "set"
        return super().rolling(video)


class Blind(VOSAdapter):
    """Masks alone: a pixel belongs to the object where it is brighter than the prompt's darkest."""

    card = ModelCard("blind")

    def segment(self, video: Video) -> Iterator[Mask]:
        bright: int | None = None
        for t, frame in enumerate(video.frames):
            grey = frame.astype(np.int32).sum(2)
            prompt = video.prompts.get(t)
            if prompt is not None:
                bright = int(np.median(grey[prompt > 0])) - 20
            yield np.zeros(video.size, np.uint8) if bright is None else (grey >= bright).astype(np.uint8)
