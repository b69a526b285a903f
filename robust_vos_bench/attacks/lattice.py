"""The set of frames that a threat allows, on the uint8 lattice: every iterate is rounded, and gradients pass straight
through the rounding."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.datasets.video import Frame, Mask, Truth, Video

Frames = Sequence[Frame]


def as_tensor(frame: Frame, device: str) -> Tensor:
    """RGB uint8 H x W x 3 -> float32 3 x H x W in 0..255."""
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).to(device).float()


def as_frame(values: Tensor) -> Frame:
    """Whole numbers, float 3 x H x W -> RGB uint8 H x W x 3."""
    rounded = values.detach().round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return np.ascontiguousarray(rounded.transpose(1, 2, 0))


class _Rounding(torch.autograd.Function):
    """Nearest whole number forward, the identity backward."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        return values.round()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return gradients[0]


def rounded(values: Tensor) -> Tensor:
    """Rounded to the lattice, with the gradient of the identity."""
    result: Tensor = _Rounding.apply(values)  # type: ignore[no-untyped-call]
    return result


class Box(ABC):
    """What an attack searches in: a point is one tensor between `lower` and `upper`; `frame` makes frames of it."""

    indices: tuple[int, ...]
    """The frames that a point changes."""
    lower: Tensor
    upper: Tensor
    radius: float
    """Half the width of the box where nothing is cut off: the first step of a search is twice that."""

    def random(self, rng: np.random.Generator) -> Tensor:
        """A point drawn uniformly."""
        share = torch.from_numpy(rng.random(tuple(self.lower.shape), np.float32)).to(self.lower.device)
        return self.lower + share * (self.upper - self.lower)

    def corner(self, rng: np.random.Generator) -> Tensor:
        """A corner drawn uniformly: as much noise as the box holds."""
        side = torch.from_numpy(rng.integers(0, 2, tuple(self.lower.shape)).astype(bool)).to(self.lower.device)
        return torch.where(side, self.upper, self.lower)

    def project(self, point: Tensor) -> Tensor:
        """The nearest point of the box."""
        return torch.minimum(torch.maximum(point, self.lower), self.upper)

    @abstractmethod
    def frame(self, values: Tensor, t: int) -> Tensor:
        """Frame t of `indices` (3 x H x W), differentiable in the values: those of a point, `rounded`."""

    @abstractmethod
    def point(self, frames: Mapping[int, Frame]) -> Tensor:
        """The point whose frames these are: of every frame in `indices`."""


class FrameBox(Box):
    """Every value of some frames within +- budget of the clean one and in 0..255. A point is n x 3 x H x W."""

    def __init__(self, clean: Mapping[int, Frame], budget: int, device: str) -> None:
        self.indices = tuple(sorted(clean))
        self._places = {t: i for i, t in enumerate(self.indices)}
        self.clean = torch.stack([as_tensor(clean[t], device) for t in self.indices])
        self.lower, self.upper = (self.clean - budget).clamp(min=0), (self.clean + budget).clamp(max=255)
        self.radius = float(budget)

    def frame(self, values: Tensor, t: int) -> Tensor:
        return values[self._places[t]]

    def point(self, frames: Mapping[int, Frame]) -> Tensor:
        return torch.stack([as_tensor(frames[t], str(self.clean.device)) for t in self.indices])


class PatchBox(Box):
    """One square, equal on all frames, of any pixels. A point is 3 x side x side."""

    def __init__(self, clean: Mapping[int, Frame], place: tuple[int, int, int], device: str) -> None:
        self.clean, self.indices = clean, tuple(sorted(clean))
        self.top, self.left, self.side = place
        self.lower = torch.zeros(3, self.side, self.side, device=device)
        self.upper = torch.full_like(self.lower, 255)
        self.radius = 127.5

    def frame(self, values: Tensor, t: int) -> Tensor:
        whole = as_tensor(self.clean[t], str(values.device))  # one frame at a time: a video has many
        whole[:, self.top : self.top + self.side, self.left : self.left + self.side] = values
        return whole

    def point(self, frames: Mapping[int, Frame]) -> Tensor:
        frame = as_tensor(frames[self.indices[0]], str(self.lower.device))
        return frame[:, self.top : self.top + self.side, self.left : self.left + self.side].clone()


def box_of(threat: Threat, video: Video, clean: Frames, device: str, truth: Truth, only: frozenset[int]) -> Box:
    """The box of a threat, of those of its frames that are in `only`. clean: all frames of the video."""
    allowed = {t: clean[t] for t in sorted(threat.allowed(video) & only)}
    if threat.kind == "patch":
        return PatchBox(allowed, patch_place(truth, video, threat.budget), device)
    return FrameBox(allowed, threat.budget, device)


def patch_place(truth: Truth, video: Video, percent: int) -> tuple[int, int, int]:
    """(top, left, side) of the square of that area which covers least of any object in any frame: true masks where
    there are any, and prompts. Of several the first from the top left."""
    height, width = video.size
    side = max(1, min(height, width, round(math.sqrt(percent / 100 * height * width))))
    covered = np.zeros(video.size, np.int64)
    for t in range(len(video)):
        masks: list[Mask | None] = [truth.masks[t], video.prompts.get(t)]
        shown = np.zeros(video.size, bool)
        for mask in masks:
            if mask is not None:
                shown |= (mask > 0) & (mask < 255)
        covered += shown
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = covered.cumsum(0).cumsum(1)
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(total.argmin()), total.shape)
    return int(top), int(left), side
