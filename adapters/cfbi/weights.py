"""Tensors that official CFBI checkpoints hold under several names, and how untrained weights are scaled."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from robust_vos_bench.models.untrained import Untrained

# The official network registers some layers several times, in the order of the ranks here. When the copies of a
# tensor disagree, the one that was registered last wins.
HEAD = {
    "seperate_conv": "semantic_embedding.0",
    "bn1": "semantic_embedding.1",
    "embedding_conv": "semantic_embedding.3",
    "bn2": "semantic_embedding.4",
}
BACKBONE = ("features", "low_level_features", "high_level_features", "feautre_8x", "feature_16x", "feature_32x")

_BACKBONE = re.compile(r"(feature_extracter\.backbone)\.(\w+)\.(\d+\..+)")


def canonical(name: str) -> tuple[str, int]:
    """The name of a checkpoint's tensor in our network, and its rank among the copies of that tensor."""
    layer, _, leaf = name.rpartition(".")
    if layer in HEAD:
        return f"{HEAD[layer]}.{leaf}", -1
    match = _BACKBONE.fullmatch(name)
    if match and match[2] in BACKBONE:
        return f"{match[1]}.features.{match[3]}", BACKBONE.index(match[2])
    return name, 0


def merge_aliases(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor once, under our name; any one copy is enough (older files lack whole alias groups)."""
    ranked = sorted(((*canonical(name), tensor) for name, tensor in state.items()), key=lambda entry: entry[1])
    return {name: tensor for name, _, tensor in ranked}


UNTRAINED = Untrained(
    scales={
        "bg_bias": (0, 0.1),
        "fg_bias": (0, 0.1),
        "alpha": (1, 0.05),
        "gamma": (0, 0.5),
        "beta": (0, 0.05),
        "running_mean": (0, 0.05),
        "bias": (0, 0.05),
    },
    canonical=lambda name: canonical(name)[0],
)
"""Scales under which maps and masks do not degenerate."""
