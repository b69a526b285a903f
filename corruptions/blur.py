"""Blur of ImageNet-C: out of focus, frosted glass, motion, zoom, Gaussian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._pattern import pattern

if TYPE_CHECKING:
    from torch import Tensor

_SOURCE = "ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
_DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
_GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
_MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
_ZOOM = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
_GAUSSIAN = (1, 2, 3, 4, 6)


def _level(table: tuple[tuple[float, ...], ...], severity: float) -> list[float]:
    return [at_severity(column, severity) for column in zip(*table)]


def _defocus_blur_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.filters import disk_blur

    radius, alias = _level(_DEFOCUS, severity)
    return disk_blur(frames, round(radius), alias)


@corruption(
    "defocus_blur",
    "blur",
    batch=_defocus_blur_batch,
    summary="Mean over a disk: out of focus",
    unit="radius of the disk, sigma of its soft edge, pixels",
    values=_DEFOCUS,
    source=_SOURCE,
)
def defocus_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Disk filter; between levels the radius goes in whole pixels."""
    from .kernels.filters import disk_blur

    radius, alias = _level(_DEFOCUS, severity)
    return disk_blur(frame, round(radius), alias)


def _glass_blur_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.filters import gaussian_blur as blur
    from .kernels.batched.geometry import scatter

    sigma, reach, rounds = _level(_GLASS, severity)
    return blur(scatter(blur(frames, sigma), round(reach), round(rounds), [draw.rng() for draw in draws]), sigma)


@corruption(
    "glass_blur",
    "blur",
    batch=_glass_blur_batch,
    temporal=("video", "frame"),
    summary="Pixels scattered between two slight blurs: frosted glass",
    unit="sigma (pixels), reach (pixels), rounds",
    values=_GLASS,
    source=_SOURCE,
)
def glass_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Gaussian blur, every pixel replaced by one nearby, the same blur again."""
    from .kernels.filters import gaussian_blur as blur
    from .kernels.geometry import scatter

    sigma, reach, rounds = _level(_GLASS, severity)
    return blur(scatter(blur(frame, sigma), round(reach), round(rounds), draw.rng()), sigma)


def _angle(draw: Draw) -> float:
    """Direction of the trail in degrees."""
    rng = pattern(draw).rng("angle")
    if draw.temporal == "drift":
        middle, phase = rng.uniform(-25.0, 25.0), rng.uniform(0.0, 2.0 * math.pi)
        return float(middle + 20.0 * math.sin(2.0 * math.pi * draw.frame / (5.0 * draw.fps) + phase))
    return float(rng.uniform(-45.0, 45.0))


def _motion_blur_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.filters import motion_blur as trail

    radius, sigma = _level(_MOTION, severity)
    return trail(frames, round(radius), sigma, [_angle(draw) for draw in draws])


@corruption(
    "motion_blur",
    "blur",
    batch=_motion_blur_batch,
    temporal=("video", "frame", "drift"),
    summary="A trail in a direction between -45 and 45 degrees",
    unit="radius, sigma of the trail's weights, pixels",
    values=_MOTION,
    source=_SOURCE,
)
def motion_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """One-sided trail; the direction is drawn for each frame, for the video, or sways by 20 degrees in 5 s (drift)."""
    from .kernels.filters import motion_blur as trail

    radius, sigma = _level(_MOTION, severity)
    return trail(frame, round(radius), sigma, _angle(draw))


def _zoom_blur_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.geometry import zoom_blur as zooms

    return zooms(frames, _factors(severity))


def _factors(severity: float) -> tuple[float, ...]:
    end, step = _level(_ZOOM, severity)
    return tuple(float(factor) for factor in np.arange(1.0, end, step))


@corruption(
    "zoom_blur",
    "blur",
    batch=_zoom_blur_batch,
    summary="Mean over enlargements: the camera rushes forward",
    unit="largest factor (not reached), step",
    values=_ZOOM,
    source=_SOURCE,
)
def zoom_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Mean of the frame and its enlargements by factors from 1 upwards."""
    from .kernels.geometry import zoom_blur as zooms

    return zooms(frame, _factors(severity))


def _gaussian_blur_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.filters import gaussian_blur as blur

    return blur(frames, at_severity(_GAUSSIAN, severity))


@corruption(
    "gaussian_blur",
    "blur",
    batch=_gaussian_blur_batch,
    summary="Gaussian blur",
    unit="sigma, pixels",
    values=_GAUSSIAN,
    source=_SOURCE,
)
def gaussian_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Gaussian blur, cut at 4 sigma."""
    from .kernels.filters import gaussian_blur as blur

    return blur(frame, at_severity(_GAUSSIAN, severity))
