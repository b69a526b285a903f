"""HDR video to 8-bit SDR: what a person would see on an ordinary screen.

ITU-R BT.2100 (PQ, HLG), BT.2408 (reference white at 203 cd/m2), BT.2087 (BT.2020 to BT.709 primaries).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

WHITE = 203.0
"""cd/m2 of a white page: shown as white; everything above is rolled off."""
KNEE = 0.8
"""Share of white up to which light stays as it is."""
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
FULL = 65280
"""FFmpeg's 16-bit value of full signal: 255 x 256."""


def to_sdr(picture: NDArray[np.uint16], transfer: str) -> Frame:
    """One HDR picture as SDR. picture: R'G'B' uint16 H x W x 3 with BT.2020 primaries, full signal at `FULL`.

    transfer: "pq" or "hlg". Light is made linear, relative to the reference white; converted to BT.709 primaries,
    negative values cut; its largest channel m is rolled off above the knee k,
    m' = k + (1 - k)(1 - exp(-(m - k) / (1 - k))), and all three channels are scaled by m' / m, which keeps
    the hue; and coded for a screen of gamma 2.4 (BT.1886).
    """
    light = _light(transfer)[np.minimum(picture, FULL)]
    if transfer == "hlg":  # the opto-optical transfer of BT.2100 for a screen of 1000 cd/m2: gamma 1.2 on luminance
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light = light * (np.float32(1000.0 / WHITE) * np.maximum(luminance, 1e-6) ** np.float32(0.2))[..., None]
    light = np.maximum(light @ _TO_709.T, 0)
    most = light.max(axis=2)
    above = most > KNEE
    scale = np.ones_like(most)
    rolled = KNEE + (1 - KNEE) * (1 - np.exp(-(most[above] - KNEE) / (1 - KNEE)))
    scale[above] = rolled / most[above]
    coded = np.power(light * scale[..., None], np.float32(1 / 2.4))
    return np.asarray(np.rint(np.clip(coded, 0, 1) * 255), np.uint8)


@lru_cache(maxsize=2)
def _light(transfer: str) -> NDArray[np.float32]:
    """Signal 0..FULL -> light: for PQ relative to the reference white, for HLG of the scene, 0..1."""
    signal = np.arange(FULL + 1, dtype=np.float64) / FULL
    if transfer == "hlg":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    found = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * 10000 / WHITE
    return np.asarray(found, np.float32)
