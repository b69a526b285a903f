"""A corruption: less light, unevenly.

This module is imported whenever corruptions are listed: heavy imports belong into the function.
"""

from __future__ import annotations

import numpy as np

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets import Frame

LIGHT = (0.8, 0.6, 0.45, 0.3, 0.2)


@corruption(
    "example_dusk",
    "example",
    temporal=("video", "frame"),
    summary="Less light, more so towards one side",
    unit="share of the light that is left",
    values=LIGHT,
)
def dusk(frame: Frame, severity: float, draw: Draw) -> Frame:
    """RGB uint8 H x W x 3 -> the same, darker. The dark side is drawn once per video (mode "video") or frame."""
    light = at_severity(LIGHT, severity)
    ramp = np.linspace(light, 0.8 * light, frame.shape[1], dtype=np.float32)
    if draw.rng("side").integers(2):
        ramp = ramp[::-1]
    return np.rint(frame * ramp[None, :, None]).astype(np.uint8)
