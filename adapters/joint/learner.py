"""The inductive branch: a 3 x 3 filter per object, fitted by steepest descent with exact steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from ..refiner.levels import conv3

WIDTH = 512
"""Channels of the features that the filter sees."""
MAPS = 16
"""Channels of the encoding of masks."""


class Sample(NamedTuple):
    """One remembered frame of an object, as the filter is fitted to it."""

    features: Tensor
    """1 x 512 x h x w."""
    target: Tensor
    """16 x h x w: what the filter shall give."""
    weight: Tensor
    """16 x h x w, or one number: factor of the errors."""


class _Residuals(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filter_reg = nn.Parameter(torch.ones(1))


class _Optimizer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.residual_module = _Residuals()


class TargetModel(nn.Module):
    """Features for the filter, and the strength of its regularisation."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = nn.Sequential(conv3(1024, WIDTH, bias=False))
        self.filter_optimizer = _Optimizer()

    def features(self, layer3: Tensor) -> Tensor:
        """1 x 1024 x h x w -> 1 x 512 x h x w, float32, of one length per image."""
        x: Tensor = self.feature_extractor(layer3).float()
        scale = math.sqrt(1 / (WIDTH * 9)) * torch.sqrt(x[0].numel() / (x.square().sum() + 1e-5))
        return x * scale

    @property
    def regularisation(self) -> Tensor:
        """Factor of the filter in the residuals."""
        return self.filter_optimizer.residual_module.filter_reg


def apply(weights: Tensor, features: Tensor) -> Tensor:
    """Filter 16 x 512 x 3 x 3 over features 1 x 512 x h x w -> 16 x h x w."""
    return F.conv2d(features, weights, padding=1)[0]


def gradient(features: Tensor, errors: Tensor) -> Tensor:
    """Gradient 16 x 512 x 3 x 3 of sum(errors * apply(filter, features)); errors 16 x h x w."""
    shape = (MAPS, features.shape[1], 3, 3)
    found: Tensor = conv2d_weight(features, shape, errors[None], padding=1)
    return found


def residuals(weights: Tensor, samples: Sequence[Sample]) -> list[Tensor]:
    """Weighted errors of the filter, 16 x h x w per sample."""
    return [sample.weight * (apply(weights, sample.features) - sample.target) for sample in samples]


def loss(weights: Tensor, samples: Sequence[Sample], regularisation: Tensor) -> float:
    """Mean square of all residuals, those of the regularisation too."""
    found = [*residuals(weights, samples), regularisation * weights]
    return float(sum(r.square().sum() for r in found) / sum(r.numel() for r in found))


def fitted(weights: Tensor, samples: Sequence[Sample], regularisation: Tensor, steps: int) -> Tensor:
    """The filter after some steps of steepest descent.

    The residuals are linear in the filter, so that the best length of a step has a closed form, and the residuals
    after a step follow from those before it.
    """
    errors = residuals(weights, samples)
    for step in range(steps):
        slope = regularisation.square() * weights
        for sample, error in zip(samples, errors):
            slope = slope + gradient(sample.features, sample.weight * error)
        changes = [sample.weight * apply(slope, sample.features) for sample in samples]
        curvature = (regularisation * slope).square().sum() + sum(change.square().sum() for change in changes)
        length = slope.square().sum() / curvature.clamp(min=1e-8)
        weights = weights - length * slope
        if step + 1 < steps:
            errors = [error - length * change for error, change in zip(errors, changes)]
    return weights
