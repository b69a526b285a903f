"""One object: its search region from frame to frame, its filter, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .labels import Labels
from .learner import MAPS, WIDTH, Sample, apply, fitted
from .network import JOINT, STRIDE, Seen
from .regions import Pair, State, Window, cut, first_region, pasted, window
from .transformer import FrameMemory

RATE = np.float32(0.1)
"""Weight of the first frame that is remembered beside the given one."""
FLOOR = np.float32(0.25)
"""Least weight of the given frame."""


@dataclass(frozen=True)
class Settings:
    """How objects are followed."""

    region: tuple[int, int] = (480, 832)
    """Size to which the search region is brought: multiples of 16."""
    interval: int = 3
    """A frame is remembered when the object's frame number is a multiple of this."""
    frames: int = 20
    """Remembered frames per object, the given one among them."""
    first_steps: int = 20
    steps: int = 3
    """Of the filter, on the given frame and after each frame that is remembered."""
    scale_limits: tuple[float, float] = (0.95, 1.1)
    """Of the change of the region's size per frame."""

    @property
    def cells(self) -> tuple[int, int]:
        """Of a region."""
        return self.region[0] // STRIDE, self.region[1] // STRIDE


class SampleWeights:
    """Weights of the remembered frames, slot 0 being the given one, which is never replaced."""

    def __init__(self, slots: int) -> None:
        self.values = np.zeros(slots, np.float32)
        self.values[0] = 1
        self.used = 1
        self._last: int | None = None

    def insert(self) -> int | None:
        """Make room for a frame: its slot, the next free one or else that of least weight; None: there is only one."""
        if len(self.values) == 1:
            return None
        slot = self.used if self.used < len(self.values) else 1 + int(self.values[1:].argmin())
        if self._last is None:
            self.values /= 1 - RATE
            self.values[slot] = RATE
        else:
            self.values[slot] = self.values[self._last] / (1 - RATE)
        self._last, self.used = slot, max(self.used, slot + 1)
        self.values /= self.values.sum()
        if self.values[0] < FLOOR:
            self.values /= FLOOR + self.values[1:].sum()
            self.values[0] = FLOOR
        return slot


class Tracker:
    """An object from the frame on which its mask is given.

    image: uint8 3 x H x W. mask: H x W with at least one pixel.
    """

    def __init__(self, network: JOINT, settings: Settings, image: Tensor, mask: NDArray[np.bool_]) -> None:
        self.network, self.settings = network, settings
        self.number = 1
        """Of the current frame, counted from the one with the mask."""
        self.state = State.of(mask, settings.region)
        self.weights = SampleWeights(settings.frames)
        self.memory = FrameMemory(network.transformer)
        self._features: list[Tensor] = []
        self._labels: list[Labels] = []
        self._before: tuple[Pair, Pair, Tensor, Tensor] | None = None
        """Of the last search region: centre, size in the frame, and what filter and transformer would keep of it."""
        given = torch.from_numpy(mask)[None].to(image.device)
        region, label = first_region(self.state, image, given, settings.region)
        self.remember(0, *network.first(region), label)
        self.filter = torch.zeros(MAPS, WIDTH, 3, 3, device=image.device)
        self.fit(settings.first_steps)

    def remember(self, slot: int, learner: Tensor, cells: Tensor, mask: Tensor) -> None:
        """Write a frame into a slot of both memories. mask: 1 x 1 x h x w of the region."""
        labels = self.network.label_encoder(mask)
        if slot < len(self._features):
            self._features[slot], self._labels[slot] = learner, labels
        else:
            self._features.append(learner)
            self._labels.append(labels)
        with torch.autocast(cells.device.type, enabled=False):
            self.memory.write(slot, cells, labels.copied)

    def fit(self, steps: int) -> None:
        """Fit the filter to all remembered frames. The weight of a frame multiplies its errors, not their squares."""
        samples = [
            Sample(features, labels.target, labels.weight * float(weight))
            for features, labels, weight in zip(self._features, self._labels, self.weights.values)
        ]
        with torch.autocast(self.filter.device.type, enabled=False):
            self.filter = fitted(self.filter, samples, self.network.target_model.regularisation, steps)

    def track(self, image: Tensor, before: Tensor, look: Callable[[Window], Seen]) -> Tensor:
        """Scores H x W of the object on the next frame.

        image: uint8 3 x H x W. before: its probabilities on the frame before, H x W. look: what the network sees in a
        window of this frame.
        """
        self.number += 1
        if self.number > 2 and self.number % self.settings.interval == 0:
            self.update(before)
        self.state.follow(before, self.settings.scale_limits)
        frame = (image.shape[1], image.shape[2])
        centre, part = self.state.search(frame, self.settings.region, self.settings.cells)
        seen = look(part)
        self._before = centre, self.state.sample(self.settings.region), seen.learner, seen.cells
        return pasted(self.network.decoder(self.encode(seen), seen.reduced), part, frame)

    def update(self, mask: Tensor) -> None:
        """Remember the frame before under its mask H x W, and fit the filter."""
        slot = self.weights.insert()
        if slot is not None:
            assert self._before is not None  # the second frame has been tracked
            centre, sample, learner, cells = self._before
            part = window((mask.shape[0], mask.shape[1]), centre, sample, self.settings.region, inside=True)
            label = cut(mask[None], part, self.settings.region, mask=True)
            self.remember(slot, learner, cells, label)
        self.fit(self.settings.steps)

    def encode(self, seen: Seen) -> Tensor:
        """What both branches say of the mask in a region, 16 x h x w."""
        learned, copied = self.branches(seen)
        return learned + copied

    def branches(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """What the filter and the attention say of the mask in a region, each 16 x h x w."""
        with torch.autocast(seen.cells.device.type, enabled=False):
            copied = self.memory.read(seen.query).t().unflatten(1, self.settings.cells)
            return apply(self.filter, seen.learner), copied
