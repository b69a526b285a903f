"""Deterministic untrained weights by name: random, but scaled so that masks and memory show in the output."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

KEPT = ("mean", "std", "num_batches_tracked", "inv_freq")
MASK_STEMS = ("value_encoder.conv1.weight", "mask_encoder.conv1.weight", "mask_rgb_encoder.conv1.weight")
PREDICTIONS = ("Decoder.pred2.weight", "decoder.pred.weight", "mask_decoder.pred.weight")


def recipe(name: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Values of one entry; None for constants, which keep theirs.

    Without the factor 16 on the channels that see masks the objects would be all but tied.
    """
    leaf = name.rsplit(".", 1)[-1]
    if leaf in KEPT:
        return None
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if leaf == "running_var":
        values = 1 + 0.1 * np.abs(noise)
    elif leaf == "running_mean":
        values = 0.05 * noise
    elif len(shape) >= 2:
        values = noise / np.sqrt(np.prod(shape[1:], dtype=np.float64))
    else:
        values = 0.05 * noise if leaf.endswith("bias") else 1 + 0.05 * noise
    if name.endswith(("conv1_m.weight", "conv1_o.weight")):
        values = values * 16
    elif name in MASK_STEMS:
        values[:, 3:] *= 16
    elif name in PREDICTIONS:
        values = values * 4
    return values.astype(np.float32)
