"""Deterministic weights by name, for smoke tests of the lite models."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray


def recipe(name: str, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Values that a name alone determines, scaled so that masks are not degenerate."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "alpha":
        return 1 + 0.1 * noise
    if leaf == "gamma":
        return 0.5 * noise
    if leaf == "beta":
        return 0.1 * noise
    if name.startswith("embed.out."):  # squared distances near 1, where the sigmoid of a map has slope
        return 0.3 + 0.05 * noise if leaf == "weight" else 0.1 + 0.02 * noise
    if leaf in ("bias", "bg_bias", "fg_bias"):
        return 0.05 * noise
    if len(shape) == 1:
        return 1 + 0.05 * noise
    gain = np.sqrt(2.0) if name.startswith("trunk.") else 1.0
    return noise * gain / np.sqrt(np.prod(shape[1:]))
