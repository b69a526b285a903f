"""Names of AOC-Net and RPCM checkpoints: tensors with two names, and deterministic values by name."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

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


def recipe(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Deterministic values by name, balanced so that untrained masks are not degenerate."""
    name = canonical(name)
    normal = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    values = _scaled(normal, name.rsplit(".", 1)[-1])
    if name in ("semantic_embedding.4.weight", "semantic_embedding.4.bias"):
        values = values * 0.15  # squared distances near 1, where the sigmoid is not saturated
    elif name in ("dynamic_seghead.IA_final_fg.weight", "dynamic_seghead.IA_final_bg.weight"):
        values = values * 4
    elif name.startswith("dynamic_seghead.CLB") and name.split(".")[2] == "mlp_layer" and name.endswith(".weight"):
        values = values * 0.3
    elif name == "dynamic_seghead.IA_final_bg.bias":
        values[-1] += 4  # keeps background from vanishing
    return values


def _scaled(normal: NDArray[np.float64], leaf: str) -> NDArray[np.float64]:
    if leaf == "running_mean":
        return 0.05 * normal
    if leaf == "running_var":
        return 1 + 0.1 * np.abs(normal)
    if leaf in ("bg_bias", "fg_bias"):
        return 0.3 * normal
    if leaf == "alpha":
        return 1 + 0.1 * normal
    if leaf == "gamma":
        return 0.5 * normal
    if leaf == "beta":
        return 0.1 * normal
    if leaf == "bias":
        return 0.05 * normal
    if normal.ndim >= 2:
        return normal / np.sqrt(np.prod(normal.shape[1:]))
    return 1 + 0.05 * normal
