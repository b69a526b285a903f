"""ImageNet-C corruptions of the family "weather" through the reference implementation."""

from __future__ import annotations

from robust_vos_bench.conditions.corruption import corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame


def _reference(name: str, frame: Frame, severity: float, draw: Draw) -> Frame:
    from robust_vos_bench.corruptions.kernels.reference import reference

    return reference(name, frame, max(1, round(severity)), int(draw.rng().integers(2**32)))


@corruption("snow", "weather", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def snow(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Snow of ImageNet-C."""
    return _reference("snow", frame, severity, draw)


@corruption("frost", "weather", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def frost(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Frost of ImageNet-C."""
    return _reference("frost", frame, severity, draw)


@corruption("fog", "weather", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def fog(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Fog of ImageNet-C."""
    return _reference("fog", frame, severity, draw)


@corruption("brightness", "weather", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def brightness(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Brightness of ImageNet-C."""
    return _reference("brightness", frame, severity, draw)


@corruption(
    "spatter", "weather", temporal=("frame", "video"), source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
)
def spatter(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Spatter of ImageNet-C."""
    return _reference("spatter", frame, severity, draw)
