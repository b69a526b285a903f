"""Noise of ImageNet-C: sensors and transmission. Fresh on every frame, or one pattern per video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

if TYPE_CHECKING:
    from torch import Tensor

_SOURCE = "ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
_GAUSSIAN = (0.08, 0.12, 0.18, 0.26, 0.38)
_SHOT = (60, 25, 12, 5, 3)
_IMPULSE = (0.03, 0.06, 0.09, 0.17, 0.27)
_SPECKLE = (0.15, 0.2, 0.35, 0.45, 0.6)


def _gaussian_noise_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.sampling import add_normal

    return add_normal(frames, 255.0 * at_severity(_GAUSSIAN, severity), [draw.rng() for draw in draws])


@corruption(
    "gaussian_noise",
    "noise",
    batch=_gaussian_noise_batch,
    temporal=("frame", "video"),
    summary="Normal noise, independent for each pixel and channel (low light)",
    unit="standard deviation, of 1 (white)",
    values=_GAUSSIAN,
    source=_SOURCE,
)
def gaussian_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Additive normal noise, clipped and truncated to uint8."""
    from .kernels.sampling import add_normal

    return add_normal(frame, 255.0 * at_severity(_GAUSSIAN, severity), draw.rng())


def _shot_noise_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.sampling import poisson

    return poisson(frames, at_severity(_SHOT, severity), [draw.rng() for draw in draws])


@corruption(
    "shot_noise",
    "noise",
    batch=_shot_noise_batch,
    temporal=("frame", "video"),
    summary="Poisson noise: few photons",
    unit="photons at white",
    values=_SHOT,
    source=_SOURCE,
)
def shot_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Poisson counts at a mean proportional to the value, scaled back, clipped and truncated to uint8."""
    from .kernels.sampling import poisson

    return poisson(frame, at_severity(_SHOT, severity), draw.rng())


def _impulse_noise_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.sampling import impulses

    return impulses(frames, at_severity(_IMPULSE, severity), [draw.rng() for draw in draws])


@corruption(
    "impulse_noise",
    "noise",
    batch=_impulse_noise_batch,
    temporal=("frame", "video"),
    summary="Salt and pepper in each channel (bit errors)",
    unit="share of values hit",
    values=_IMPULSE,
    source=_SOURCE,
)
def impulse_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Values of single channels set to 0 or 255, half of them each."""
    from .kernels.sampling import impulses

    return impulses(frame, at_severity(_IMPULSE, severity), draw.rng())


def _speckle_noise_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.sampling import speckle

    return speckle(frames, at_severity(_SPECKLE, severity), [draw.rng() for draw in draws])


@corruption(
    "speckle_noise",
    "noise",
    batch=_speckle_noise_batch,
    temporal=("frame", "video"),
    summary="Normal noise in proportion to the value",
    unit="standard deviation, of the value",
    values=_SPECKLE,
    source=_SOURCE,
)
def speckle_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Multiplicative normal noise, clipped and truncated to uint8."""
    from .kernels.sampling import speckle

    return speckle(frame, at_severity(_SPECKLE, severity), draw.rng())
