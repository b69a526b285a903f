"""STM and the two that remember as it does, HMMN and GraphMemVOS: the calls that their loops make per frame."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import torch
from ours import image_tensor

from peers.stm_line.checkout import Frame, filled, one_hot


class Stm:
    """STM: remember the frame before, segment this one; every fifth frame stays."""

    every = 5

    def __init__(self) -> None:
        self.network = filled(importlib.import_module("model").STM())

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """Eleven channels, as the official data set gives, background first."""
        self.count = torch.tensor([int(mask.max())])
        self.before = torch.zeros(1, 11, *mask.shape)
        self.before[0, 1 : 1 + len(one_hot(mask))] = one_hot(mask)
        self.before[0, 0] = torch.from_numpy(mask == 0)
        self.image, self.kept, self.time = image_tensor(frame, "cpu"), None, 0

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        new = self.network(self.image, self.before, self.count)
        memory = new if self.kept is None else tuple(torch.cat(pair, 3) for pair in zip(self.kept, new))
        self.image = image_tensor(frame, "cpu")
        self.before = torch.softmax(self.network(self.image, *memory, self.count), 1)
        if self.time % self.every == 0:
            self.kept = memory
        self.time += 1
        return self.before[0].argmax(0).to(torch.uint8).numpy()


class Hmmn(Stm):
    """HMMN: as STM, and at the finer strides the first frame and the one before."""

    def __init__(self) -> None:
        self.network = filled(importlib.import_module("model").HMMN())

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """A channel per object, background first."""
        super().start(frame, mask)
        self.before = self.before[:, : 1 + int(self.count)]
        self.first: tuple[torch.Tensor, ...] = ()

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        new = self.network(self.image, self.before, self.count)
        held = (*self.kept, *self.first) if self.kept is not None else ()
        memory = tuple(torch.cat(pair, 2) for pair in zip(held, new)) if held else new
        self.image = image_tensor(frame, "cpu")
        self.before = torch.softmax(self.network(self.image, *memory, self.count), 1)
        if self.time % self.every == 0:
            self.kept = memory[:2]
        self.first = self.first or memory[2:]
        self.time += 1
        return self.before[0].argmax(0).to(torch.uint8).numpy()


class GraphMem(Stm):
    """GraphMemVOS: the first frame, the one before and four between, which are encoded again for every frame."""

    def __init__(self, checkout: Path) -> None:
        units = types.ModuleType("units")  # without what it imports, which is not in the repository
        units.__path__ = [str(checkout / "models" / "units")]
        sys.modules["units"] = units
        self.network = filled(importlib.import_module("models").graph_memory())

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """As STM; all frames and their probabilities are held."""
        super().start(frame, mask)
        self.past: list[tuple[torch.Tensor, torch.Tensor]] = []

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        self.past.append((self.image, self.before))
        new = self.network(*self.past[-1], self.count)
        self.kept = new if self.kept is None else self.kept
        now = len(self.past)
        parts = [self.kept, new] if now > 1 else [new]
        if now > 4:
            between = [now // 4 * j + now // 4 // 2 for j in range(4)]
            parts[1:1] = [self.network(*self.past[i], self.count) for i in between]
        self.image = image_tensor(frame, "cpu")
        memory = [torch.cat(pair, 3) for pair in zip(*parts)]
        self.before = torch.softmax(self.network(self.image, *memory, self.count), 1)
        return self.before[0].argmax(0).to(torch.uint8).numpy()
