"""How untrained weights of FRTM are scaled; scores then show in the logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.models.untrained import Untrained


def adjusted(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Larger weights on the channel of the scores, the last one, and larger logits."""
    if name.startswith("refiner.TSE.") and name.endswith(".transform.0.weight"):
        values[:, -1:] *= 16
    elif name == "refiner.project.conv2.weight":
        return values * 8
    return values


UNTRAINED = Untrained(scales={"running_mean": (0, 0.05)}, adjusted=adjusted)
