"""ImageNet-C corruptions of the family "noise" through the reference implementation."""

from __future__ import annotations

from robust_vos_bench.conditions.corruption import corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame


def _reference(name: str, frame: Frame, severity: float, draw: Draw) -> Frame:
    from robust_vos_bench.corruptions.kernels.reference import reference

    return reference(name, frame, max(1, round(severity)), int(draw.rng().integers(2**32)))


@corruption(
    "gaussian_noise", "noise", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
)
def gaussian_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Gaussian noise of ImageNet-C."""
    return _reference("gaussian_noise", frame, severity, draw)


@corruption(
    "shot_noise", "noise", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
)
def shot_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Shot noise of ImageNet-C."""
    return _reference("shot_noise", frame, severity, draw)


@corruption(
    "impulse_noise", "noise", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
)
def impulse_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Impulse noise of ImageNet-C."""
    return _reference("impulse_noise", frame, severity, draw)


@corruption(
    "speckle_noise", "noise", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
)
def speckle_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Speckle noise of ImageNet-C."""
    return _reference("speckle_noise", frame, severity, draw)
