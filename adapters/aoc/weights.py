"""Tensors that AOC-Net and RPCM checkpoints hold under two names, and how untrained weights are scaled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.models.untrained import Untrained

ALIASES = {
    "seperate_conv.": "semantic_embedding.0.",
    "bn1.": "semantic_embedding.1.",
    "embedding_conv.": "semantic_embedding.3.",
    "bn2.": "semantic_embedding.4.",
}
"""The embedding layers are registered twice; where a checkpoint's two copies differ, the official loader ends with
`semantic_embedding.*`."""


def canonical(name: str) -> str:
    """The name whose value counts."""
    for alias, original in ALIASES.items():
        if name.startswith(alias):
            return original + name.removeprefix(alias)
    return name


def with_aliases(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mapping with both names of every twice-named tensor, whichever it had."""
    complete = dict(state)
    for alias, original in ALIASES.items():
        for name, tensor in state.items():
            if name.startswith(alias):
                complete.setdefault(original + name.removeprefix(alias), tensor)
    for alias, original in ALIASES.items():
        for name, tensor in state.items():
            if name.startswith(original):
                complete.setdefault(alias + name.removeprefix(original), tensor)
    return complete


def adjusted(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Changes that balance the masks."""
    if name in ("semantic_embedding.4.weight", "semantic_embedding.4.bias"):
        return values * 0.15  # squared distances near 1, where the sigmoid is not saturated
    if name in ("dynamic_seghead.IA_final_fg.weight", "dynamic_seghead.IA_final_bg.weight"):
        return values * 4
    if name.startswith("dynamic_seghead.CLB") and name.split(".")[2] == "mlp_layer" and name.endswith(".weight"):
        return values * 0.3
    if name == "dynamic_seghead.IA_final_bg.bias":
        values[-1] += 4  # keeps background from vanishing
    return values


UNTRAINED = Untrained(
    scales={
        "running_mean": (0, 0.05),
        "bg_bias": (0, 0.3),
        "fg_bias": (0, 0.3),
        "alpha": (1, 0.1),
        "gamma": (0, 0.5),
        "beta": (0, 0.1),
        "bias": (0, 0.05),
    },
    canonical=canonical,
    adjusted=adjusted,
)
