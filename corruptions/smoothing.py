"""The noise of randomised smoothing: Gaussian, on the frames with a given mask or on all; each seed is a draw.

`rvos-bench certify` runs a model under many seeds. What it concludes rests on this law: frame + normal noise, exact to
the precision of float64, then clipped and rounded. The severity is the standard deviation in steps of 0.05 of white.
"""

from __future__ import annotations

import numpy as np

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

_SIGMAS = tuple(round(0.05 * level, 2) for level in range(1, 21))
_SOURCE = "randomised smoothing (Cohen, Rosenfeld and Kolter, ICML 2019)"
_UNIT = "standard deviation, of 1 (white)"


@corruption(
    "smoothing_noise",
    "smoothing",
    levels=len(_SIGMAS),
    temporal=("frame",),
    profiles=False,
    summary="Normal noise on all frames, rounded: the draws of a certificate",
    unit=_UNIT,
    values=_SIGMAS,
    source=_SOURCE,
)
def smoothing_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """frame + 255 sigma x standard normal, rounded and clipped; drawn anew for each frame and seed."""
    noise = draw.rng().standard_normal(frame.shape)
    noise *= 255.0 * at_severity(_SIGMAS, severity)
    noise += frame
    return np.clip(np.rint(noise, out=noise), 0.0, 255.0, out=noise).astype(np.uint8)


@corruption(
    "smoothing_noise_prompt",
    "smoothing",
    levels=len(_SIGMAS),
    temporal=("frame",),
    profiles=False,
    frames="prompt",
    summary="The same on the frames that carry a given mask alone",
    unit=_UNIT,
    values=_SIGMAS,
    source=_SOURCE,
)
def smoothing_noise_prompt(frame: Frame, severity: float, draw: Draw) -> Frame:
    """As `smoothing_noise`, on frames with a prompt; the others stay as they are."""
    return smoothing_noise(frame, severity, draw)
