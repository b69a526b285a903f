"""How untrained weights of the STM line are scaled; masks and memory then show in the output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.models.untrained import Untrained

MASK_STEMS = ("value_encoder.conv1.weight", "mask_rgb_encoder.conv1.weight")
PREDICTIONS = ("Decoder.pred2.weight", "decoder.pred.weight")


def adjusted(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Larger weights on the channels that see masks, without which all objects are nearly tied, and larger logits."""
    if name.endswith(("conv1_m.weight", "conv1_o.weight")):
        return values * 16
    if name in MASK_STEMS:
        values[:, 3:] *= 16
    elif name in PREDICTIONS:
        return values * 4
    return values


UNTRAINED = Untrained(
    scales={"running_mean": (0, 0.05)},
    kept=frozenset({"mean", "std", "num_batches_tracked"}),
    adjusted=adjusted,
)
