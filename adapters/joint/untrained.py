"""How untrained weights of JOINT are scaled; scores of the encoding then show in the output, and masks stay small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.models.untrained import Untrained

from .learner import MAPS


def adjusted(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Larger weights on masks and on their encoding, and a lower score everywhere."""
    if name.startswith("decoder.TSE.") and name.endswith(".transform.0.weight"):
        values[:, -MAPS:] *= 16
    elif name == "label_encoder.conv_block.0.weight":
        return values * 4
    elif name == "decoder.project.conv2.bias":
        return values - 4
    return values


def canonical(name: str) -> str:
    """The two names of the attention of frames to themselves are one tensor."""
    return name.replace("transformer.decoder.self_attn.", "transformer.encoder.self_attn.")


UNTRAINED = Untrained(
    scales={"running_mean": (0, 0.05), "filter_reg": (0.01, 0)},
    kept=frozenset({"num_batches_tracked"}),
    canonical=canonical,
    adjusted=adjusted,
)
