"""The model of one object: two convolutions, fitted to the first frame and again to what was seen since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors_on_grid import Errors, pixel_weights
from .remembered import Remembered
from .solver import Cells, FilterAlone, WholeModel, fitted

WIDTH = 96
"""Channels between the two convolutions."""


@dataclass(frozen=True)
class Fitting:
    """How models are fitted."""

    first: Sequence[int] = (5, 10, 10, 10, 10)
    """Steps of conjugate gradients after each linearisation, for both convolutions on the first frame."""
    later: Sequence[int] = (10,)
    """For the filter alone, right after that and from then on."""
    every: int = 8
    """Frames from one fit to the next."""
    slots: int = 80
    """Samples that are remembered."""
    fletcher_reeves: bool = False


FAST = Fitting((5, 10, 10, 10), (5,))
"""The authors' faster schedule."""


def initial(channels: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Projection 96 x channels and filter 96 x 9 as torch's convolutions begin, drawn in this order."""
    bound, other = channels**-0.5, (9 * WIDTH) ** -0.5
    project = torch.empty(WIDTH, channels, 1, 1).uniform_(-bound, bound, generator=generator)
    weights = torch.empty(1, WIDTH, 3, 3).uniform_(-other, other, generator=generator)
    return project.flatten(1), weights[0].flatten(1)


@dataclass
class Target:
    """One object's model."""

    project: Tensor
    """96 x C, float64."""
    filter: Tensor
    """96 x 9, float64."""
    memory: Remembered
    fitting: Fitting
    seen: int = 0
    """Frames after its first one."""

    @classmethod
    def begun(cls, features: Tensor, masks: Tensor, generator: torch.Generator, fitting: Fitting) -> Target:
        """Fitted to first samples. features: n x C x h x w (layer4). masks: n x H x W, 0 or 1."""
        grid = (features.shape[2], features.shape[3])
        place = features.device
        errors = Errors.joined([Errors.of(mask, pixel_weights(mask), grid) for mask in masks.to(place)])
        project, weights = (p.double().to(place) for p in initial(features.shape[1], generator))
        count = torch.ones(len(masks))
        count[0] = 2
        whole = WholeModel(Cells(features), errors, count / count.sum())
        project, weights = fitted(whole, (project, weights), fitting.first, fitting.fletcher_reeves)
        projected = torch.einsum("pc,nhwc->nphw", project, whole.cells.rows)
        made = cls(project, weights, Remembered(fitting.slots, projected, errors), fitting)
        made.fit()
        return made

    def fit(self) -> None:
        """Fit the filter to everything that is remembered."""
        features, errors, weights = self.memory.all()
        alone = FilterAlone(Cells(features), errors, weights)
        (self.filter,) = fitted(alone, (self.filter,), self.fitting.later, self.fitting.fletcher_reeves)

    def scores(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """layer4, 1 x C x h x w float32 -> the same projected, 96 x h x w, and scores, 1 x 1 x h x w."""
        projected = F.conv2d(features, self.project.to(features)[:, :, None, None])
        weights = self.filter.to(features).unflatten(1, (3, 3))[None]
        return projected[0], F.conv2d(projected, weights, padding=1)

    def learn(self, projected: Tensor, label: Tensor) -> None:
        """Remember a frame, and fit again where it is time. label: H x W, soft; below ten pixels nothing happens."""
        shown = label > 0.5
        if int(shown.sum()) < 10:
            return
        place = self.project.device
        grid = (projected.shape[1], projected.shape[2])
        self.memory.add(projected.to(place), Errors.of(label.to(place), pixel_weights(shown.to(place)), grid))
        if self.seen % self.fitting.every == 0:
            self.fit()
