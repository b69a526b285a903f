"""Official checkpoints (aliases and all) and the deterministic weights of the parity tests."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

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


def recipe(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values drawn from the name alone, scaled so that maps and masks do not degenerate."""
    n = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    leaf = name.rsplit(".", 1)[-1]
    if leaf in ("bg_bias", "fg_bias"):
        values = 0.1 * n
    elif leaf == "alpha":
        values = 1 + 0.05 * n
    elif leaf == "gamma":
        values = 0.5 * n
    elif leaf in ("beta", "running_mean", "bias"):
        values = 0.05 * n
    elif leaf == "running_var":
        values = 1 + 0.1 * np.abs(n)
    elif len(shape) == 1:
        values = 1 + 0.05 * n
    else:
        values = n / np.sqrt(np.prod(shape[1:]))
    return values.astype(np.float32)
