"""How untrained weights of the lite models are scaled, for smoke tests."""

from __future__ import annotations

import numpy as np

from robust_vos_bench.models.untrained import Untrained

UNTRAINED = Untrained(
    scales={
        "alpha": (1, 0.1),
        "gamma": (0, 0.5),
        "beta": (0, 0.1),
        # squared distances near 1, where the sigmoid of a map has slope
        "embed.out.weight": (0.3, 0.05),
        "embed.out.bias": (0.1, 0.02),
        "bias": (0, 0.05),
        "bg_bias": (0, 0.05),
        "fg_bias": (0, 0.05),
    },
    gain=lambda name, shape: float(np.sqrt(2.0)) if name.startswith("trunk.") else 1.0,
)
