"""How untrained weights of Cutie are scaled; masks and memory then show in the output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.models.untrained import Untrained


def adjusted(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Larger weights on the channels that see masks, without which all objects are nearly tied, and larger logits."""
    if name == "mask_encoder.conv1.weight":
        values[:, 3:] *= 16
    elif name == "mask_decoder.pred.weight":
        return values * 4
    return values


UNTRAINED = Untrained(
    scales={"running_mean": (0, 0.05)},
    kept=frozenset({"mean", "std", "num_batches_tracked", "inv_freq"}),
    adjusted=adjusted,
)
