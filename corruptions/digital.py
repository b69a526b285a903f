"""Digital corruptions of ImageNet-C: contrast, saturation, elastic distortion, pixels, JPEG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame, Mask

from ._pattern import pattern, per_video

if TYPE_CHECKING:
    from torch import Tensor

_SOURCE = "ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
_SATURATE = ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2))
_ELASTIC = (12.5, 16.25, 21.25, 25.0, 30.0)
_PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)
_JPEG = (25, 18, 15, 10, 7)


def _contrast_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.colour import contrast as scale

    return scale(frames, at_severity(_CONTRAST, severity))


@corruption(
    "contrast",
    "digital",
    batch=_contrast_batch,
    summary="Contrast lowered around each channel's mean",
    unit="factor",
    values=_CONTRAST,
    source=_SOURCE,
)
def contrast(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Distance from the channel's mean scaled down."""
    from .kernels.colour import contrast as scale

    return scale(frame, at_severity(_CONTRAST, severity))


def _saturate_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.colour import saturate as change

    return change(frames, *_saturation(severity))


def _saturation(severity: float) -> tuple[float, float]:
    return _SATURATE[min(max(math.floor(severity + 0.5), 1), 5) - 1]


@corruption(
    "saturate",
    "digital",
    batch=_saturate_batch,
    summary="Colours faded (1, 2) or oversaturated (3 to 5)",
    unit="gain and offset of HSV saturation",
    values=_SATURATE,
    source=_SOURCE,
)
def saturate(frame: Frame, severity: float, draw: Draw) -> Frame:
    """HSV saturation scaled and shifted; between levels the nearest one counts, as 2 and 3 act in opposite ways."""
    from .kernels.colour import saturate as change

    return change(frame, *_saturation(severity))


@per_video(keep=4)
def _field(draw: Draw, stream: str, size: tuple[int, int]) -> NDArray[np.float32]:
    from .kernels.geometry import node_shape, smooth_field

    sigma = (0.01 * size[0], 0.01 * size[1])
    nodes = draw.rng(stream).standard_normal(node_shape(size, sigma), dtype=np.float32)
    return smooth_field(nodes, size, sigma)


def _displacement(
    size: tuple[int, int], severity: float, draw: Draw
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far (y, x) from its place each pixel is looked up, in pixels."""
    # Noise uniform within half a percent of the *height* for both axes, as in the reference.
    amplitude = at_severity(_ELASTIC, severity) if severity >= 1.0 else severity * _ELASTIC[0]
    reach = 0.005 * size[0] / math.sqrt(3.0) * amplitude
    shared = pattern(draw)
    if draw.temporal != "drift":
        down, right = (_field(shared, axis, size) * np.float32(reach) for axis in ("y", "x"))
        return down, right
    turn = 2.0 * math.pi * draw.frame / (4.0 * draw.fps)
    now, then = np.float32(reach * math.cos(turn)), np.float32(reach * math.sin(turn))
    down, right = (
        _field(shared, axis, size) * now + _field(shared, f"{axis} quarter", size) * then for axis in ("y", "x")
    )
    return down, right


def move_elastic(mask: Mask, severity: float, draw: Draw) -> Mask:
    """The mask under the field of `elastic_transform` at the same draw, nearest label."""
    from .kernels.geometry import warp_mask

    return warp_mask(mask, *_displacement((mask.shape[0], mask.shape[1]), severity, draw))


@corruption(
    "elastic_transform",
    "digital",
    temporal=("drift", "frame", "video"),
    move_mask=move_elastic,
    summary="A smooth random field shifts pixels by a few; masks move with it",
    unit="amplitude alpha of the field (at 854 x 480, 12.5 shifts by 1.1 px rms, 30 by 2.6)",
    values=_ELASTIC,
    source=_SOURCE,
)
def elastic_transform(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Displacement by Gaussian-filtered noise; in drift it turns over into another field and back in 4 s."""
    from .kernels.geometry import warp

    return warp(frame, *_displacement((frame.shape[0], frame.shape[1]), severity, draw))


@corruption(
    "pixelate",
    "digital",
    summary="Reduced by area means and enlarged by repetition",
    unit="scale",
    values=_PIXELATE,
    source=_SOURCE,
)
def pixelate(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Box reduction, nearest enlargement (Pillow, as in the reference)."""
    from PIL import Image

    scale = at_severity(_PIXELATE, severity)
    height, width = frame.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(frame))
    small = image.resize((max(int(width * scale), 1), max(int(height * scale), 1)), Image.Resampling.BOX)
    return np.array(small.resize((width, height), Image.Resampling.NEAREST))


@corruption(
    "jpeg_compression",
    "digital",
    summary="JPEG at low quality",
    unit="quality (libjpeg)",
    values=_JPEG,
    source=_SOURCE,
)
def jpeg_compression(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Written and read as JPEG with 4:2:0 colour (libjpeg-turbo through OpenCV: the pixels are the reference's)."""
    import cv2

    quality = round(at_severity(_JPEG, severity))
    blue_first = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), dtype=np.uint8)  # type: ignore[arg-type]
