"""ImageNet-C corruptions of the family "blur" through the reference implementation."""

from __future__ import annotations

from robust_vos_bench.conditions.corruption import corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame


def _reference(name: str, frame: Frame, severity: float, draw: Draw) -> Frame:
    from robust_vos_bench.corruptions.kernels.reference import reference

    return reference(name, frame, max(1, round(severity)), int(draw.rng().integers(2**32)))


@corruption("defocus_blur", "blur", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def defocus_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Defocus blur of ImageNet-C."""
    return _reference("defocus_blur", frame, severity, draw)


@corruption(
    "glass_blur", "blur", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
)
def glass_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Glass blur of ImageNet-C."""
    return _reference("glass_blur", frame, severity, draw)


@corruption(
    "motion_blur", "blur", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
)
def motion_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Motion blur of ImageNet-C."""
    return _reference("motion_blur", frame, severity, draw)


@corruption("zoom_blur", "blur", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def zoom_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Zoom blur of ImageNet-C."""
    return _reference("zoom_blur", frame, severity, draw)


@corruption("gaussian_blur", "blur", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def gaussian_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Gaussian blur of ImageNet-C."""
    return _reference("gaussian_blur", frame, severity, draw)
