"""What DAVIS-C adds to the image corruptions: temporal motion blur, cartoon, and strong compression.

Bertrand, Kordopatis-Zilos, Kalantidis and Tolias, Test-time Training for Matching-based Video Object Segmentation,
NeurIPS 2023. Three severities (low, med, high). Its seven image corruptions are those of ImageNet-C at severities
3, 4 and 5; its four neural styles need a network and style pictures and are left out (see the preset).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.clips.coding import Encoding
from robust_vos_bench.datasets.video import Frame

from ._codec import transcode

_SOURCE = "DAVIS-C (Bertrand et al., NeurIPS 2023)"
LAST_FRAMES = (2, 3, 4)
CRF = (40.0, 45.0, 50.0)
MEDIAN_SIDE = (1, 3, 5)
SEGMENT_SIZE = (1.0, 1.2, 1.5)
SATURATION = (1.0, 1.5, 2.0)
EDGE_PREVALENCE = 0.8
DAVIS_C_FPS = 24.0


@corruption(
    "temporal_motion_blur",
    "blur",
    scope="clip",
    levels=3,
    profiles=False,
    summary="Weighted mean of the last frames, the newest heaviest",
    unit="frames in the mean",
    values=LAST_FRAMES,
    source=_SOURCE,
)
def temporal_motion_blur(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """Mean of the last 2 / 3 / 4 frames with weights 1, 2, 3, ..; the first frames average those that there are."""
    last: deque[Frame] = deque(maxlen=round(at_severity(LAST_FRAMES, severity)))
    for frame in frames:
        last.append(frame)
        mean = np.zeros(frame.shape, np.float32)
        for weight, past in enumerate(last, start=1):
            mean += np.float32(weight) * past
        mean /= np.float32(len(last) * (len(last) + 1) / 2)
        yield np.rint(mean).astype(np.uint8)


@corruption(
    "crf_compression",
    "codec",
    scope="clip",
    levels=3,
    profiles=False,
    summary="H.265 at high CRF, encoded from an H.264 copy",
    unit="CRF of libx265",
    values=CRF,
    source=_SOURCE,
)
def crf_compression(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """libx265 (preset medium, CRF 40 / 45 / 50, 24 frames/s) of a libx264 copy (preset medium, CRF 23).

    As the source does with FFmpeg's defaults, save that encoders run in one thread and libx264 without macroblock
    tree and lookahead (or the stream would not repeat), and that frames are not stored as JPEG afterwards.
    """
    copy = transcode(frames, Encoding("libx264", "medium", crf=23.0), DAVIS_C_FPS)
    return transcode(copy, Encoding("libx265", "medium", crf=at_severity(CRF, severity)), DAVIS_C_FPS)


@corruption(
    "cartoon",
    "style",
    levels=3,
    summary="Flat colour regions with dark outlines and raised saturation",
    unit="median filter side in px; segment size; saturation factor (edge prevalence 0.8)",
    values=tuple(zip(MEDIAN_SIDE, SEGMENT_SIZE, SATURATION)),
    source=_SOURCE + "; written anew from its description",
)
def cartoon(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Flattened regions, dark outlines where brightness bends, isolated outlines removed, saturation.

    Median filter of side 1 / 3 / 5, segment size 1.0 / 1.2 / 1.5, saturation x 1.0 / 1.5 / 2.0, edge prevalence 0.8.
    """
    import cv2

    side = 2 * round((at_severity(MEDIAN_SIDE, severity) - 1) / 2) + 1
    smooth = np.ascontiguousarray(frame)
    if side > 1:
        smooth = np.asarray(cv2.medianBlur(smooth, side), np.uint8)
    flat = _flatten(smooth, at_severity(SEGMENT_SIZE, severity))
    flat = _saturate(flat, at_severity(SATURATION, severity))
    flat[_outlines(smooth, EDGE_PREVALENCE)] = 0
    return flat


def _flatten(frame: Frame, size: float) -> Frame:
    """Regions of one colour: repeated edge-keeping smoothing at half resolution, then brightness in steps.

    Repeated bilateral filtering moves colours to the mode of their neighbourhood, as mean shift does, at a third of
    its cost. size scales the neighbourhood, the range of colours that join and the steps.
    """
    import cv2

    height, width = frame.shape[:2]
    small = cv2.resize(frame, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    for _ in range(4):
        small = cv2.bilateralFilter(small, 7, 22.0 * size, 4.0 * size)
    ycc = cv2.cvtColor(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), cv2.COLOR_RGB2YCrCb)
    step = 14.0 * size
    levels = np.arange(256) / step
    # Treads of a staircase with short ramps between: a hard step would flicker where brightness lies on its edge.
    rise = np.clip((levels % 1.0 - 0.5) / 0.3 + 0.5, 0.0, 1.0)
    table = np.clip(np.rint((np.floor(levels) + rise) * step), 0, 255).astype(np.uint8)
    ycc[..., 0] = table[ycc[..., 0]]
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.uint8)


def _saturate(frame: Frame, factor: float) -> Frame:
    import cv2

    if factor == 1.0:
        return frame
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
    table = np.clip(np.rint(np.arange(256) * factor), 0, 255).astype(np.uint8)
    hsv[..., 1] = table[hsv[..., 1]]
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def _outlines(frame: Frame, prevalence: float) -> np.ndarray:
    """Where an outline is drawn, bool (H, W): strong Laplacian of the brightness, without specks.

    prevalence 0..1: 1 draws an outline at the faintest bend, 0 only at the strongest possible one.
    """
    import cv2

    grey = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (3, 3), 0)
    bend = np.clip(cv2.Laplacian(grey, cv2.CV_16S, ksize=5), 0, 255).astype(np.uint8)
    strong = (bend > 255.0 * (1.0 - prevalence)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strong, connectivity=8)
    longest = stats[:, 2:4].max(1)
    long_enough = longest >= max(3.0, 0.03 * min(frame.shape[:2]))
    long_enough[0] = False
    kept: np.ndarray = long_enough[labels]
    return kept
