"""One video at one scale: engines of ten objects each that share the encoder pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .memory import Bank, Current
from .network import AOT, IDENTITIES, Features

CLAMP = 1e-5


class Engine:
    """Memory of up to ten objects."""

    def __init__(self, network: AOT, bank: Bank) -> None:
        self.network = network
        self.bank = bank
        self.objects = 0
        self.outputs: list[Tensor] = []
        self.currents: list[Current] = []

    def refer(self, features: Features, positions: Tensor, label: Tensor, objects: int) -> None:
        """Take a frame whose masks are given; label: 1 x 1 x H x W, 0..10, at network size."""
        self.objects = objects
        identity = self.network.identify(label)
        self.outputs, self.currents, fused = self.network.refer(features, positions, identity)
        self.bank.refer(fused)

    def propagate(self, features: Features, positions: Tensor) -> None:
        """Match the next frame against memory."""
        self.bank.tick()
        self.outputs, self.currents = self.network.propagate(features, positions, self.bank.layers)

    def logits(self, features: Features) -> Tensor:
        """1 x (1 + objects) x H/4 x W/4."""
        return self.network.decode(self.outputs, features, self.objects)

    def remember(self, label: Tensor) -> None:
        """Store the frame just matched under its masks (labels 0..10 at network size)."""
        self.bank.update(self.network.fuse(self.currents, self.network.identify(label)))


class Tracker:
    """All objects of one video, at one network size.

    Labels count 1..k densely; engine e holds 10e+1 .. 10e+10, and sees every other object as background.
    """

    def __init__(self, network: AOT, gap: int, skip: int = 1, max_frames: int | None = None) -> None:
        self.network = network
        self.gap, self.skip, self.max_frames = gap, skip, max_frames
        self.engines: list[Engine] = []
        self.size = (0, 0)
        self.features: Features | None = None
        self._positions: Tensor | None = None

    def see(self, image: Tensor) -> None:
        """Encode the next frame (1 x 3 x H x W, normalised) and match it against memory, if there is any."""
        self.size = (image.shape[2], image.shape[3])
        self.features = self.network.encode(image)
        if self._positions is None:
            self._positions = self.network.positions(self.features.grid, image.device)
        for engine in self.engines:
            engine.propagate(self.features, self._positions)

    def refer(self, label: Tensor, objects: int) -> None:
        """Take the current frame as a reference; label: 1 x 1 x H x W, 0..objects, any size."""
        assert self.features is not None and self._positions is not None
        needed = max(1, -(-objects // IDENTITIES))
        while len(self.engines) < needed:
            self.engines.append(Engine(self.network, Bank(self.gap, self.skip, self.max_frames)))
        for e, (engine, part) in enumerate(zip(self.engines, self._parts(label))):
            engine.refer(self.features, self._positions, part, min(IDENTITIES, objects - e * IDENTITIES))

    def remember(self, label: Tensor) -> None:
        """Store the current frame under its masks (1 x 1 x H x W, any size)."""
        for engine, part in zip(self.engines, self._parts(label)):
            engine.remember(part)

    def low_logits(self) -> list[Tensor]:
        """Logits at a quarter of the network size, one tensor per engine."""
        assert self.features is not None
        return [engine.logits(self.features) for engine in self.engines]

    def logits(self, size: tuple[int, int]) -> Tensor:
        """1 x (1 + k) x H x W logits of the current frame at the given size; with several engines, k may count
        channels without an object at the end."""
        resized = [self.network.decoder.resize(low.float(), size) for low in self.low_logits()]
        return resized[0] if len(resized) == 1 else merge(resized)

    def _parts(self, label: Tensor) -> list[Tensor]:
        # floor, not half-pixel centres: the official nearest resize, of given masks and of predicted ones
        label = F.interpolate(label, size=self.size, mode="nearest")
        if len(self.engines) == 1:
            return [label]
        parts = []
        for e in range(len(self.engines)):
            first = e * IDENTITIES
            inside = (label > first) & (label <= first + IDENTITIES)
            parts.append(torch.where(inside, label - first, torch.zeros_like(label)))
        return parts


def merge(logits: list[Tensor]) -> Tensor:
    """Several engines' logits -> logits of all their objects: backgrounds multiplied, foregrounds side by side.

    Engines without ten objects are filled up with channels of probability 0, which the clamp lifts to 1e-5.
    """
    probabilities = [torch.softmax(each, dim=1) for each in logits]
    background = torch.prod(torch.cat([each[:, :1] for each in probabilities], dim=1), dim=1, keepdim=True)
    foregrounds = [F.pad(each[:, 1:], (0, 0, 0, 0, 0, IDENTITIES + 1 - each.shape[1])) for each in probabilities]
    return torch.logit(torch.cat([background, *foregrounds], dim=1).clamp(CLAMP, 1 - CLAMP))
