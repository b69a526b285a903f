"""ImageNet-C corruptions of the family "digital" through the reference implementation."""

from __future__ import annotations

from robust_vos_bench.conditions.corruption import corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame


def _reference(name: str, frame: Frame, severity: float, draw: Draw) -> Frame:
    from robust_vos_bench.corruptions.kernels.reference import reference

    return reference(name, frame, max(1, round(severity)), int(draw.rng().integers(2**32)))


@corruption("contrast", "digital", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def contrast(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Contrast of ImageNet-C."""
    return _reference("contrast", frame, severity, draw)


@corruption(
    "elastic_transform",
    "digital",
    temporal=("frame", "video"),
    source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)",
)
def elastic_transform(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Elastic transform of ImageNet-C."""
    return _reference("elastic_transform", frame, severity, draw)


@corruption("pixelate", "digital", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def pixelate(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Pixelate of ImageNet-C."""
    return _reference("pixelate", frame, severity, draw)


@corruption("jpeg_compression", "digital", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def jpeg_compression(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Jpeg compression of ImageNet-C."""
    return _reference("jpeg_compression", frame, severity, draw)


@corruption("saturate", "digital", source="ImageNet-C (Hendrycks and Dietterich, ICLR 2019)")
def saturate(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Saturate of ImageNet-C."""
    return _reference("saturate", frame, severity, draw)
