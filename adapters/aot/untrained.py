"""How untrained weights of AOT and DeAOT are scaled; every component then shows in the output."""

from __future__ import annotations

import numpy as np

from robust_vos_bench.models.untrained import Shape, Untrained

GAINS = (
    ("self_attn.linear_Q.weight", 1.5),
    ("self_attn.linear_K.weight", 1.5),
    ("self_attn.linear_QK.weight", 1.5),
    ("projection.weight", 1.5),
    ("linear2.weight", 2.0),
    ("linear_V.weight", 1.5),
    ("linear_ID_V.weight", 1.0),
    ("relative_emb_k.weight", 1.5),
    ("patch_wise_id_bank.weight", 3.0),
    ("encoder_projector.weight", 0.5),
    ("decoder.adapter_", 0.2),
    ("decoder.conv_out.weight", 4.0),
)
"""Part of a name -> gain; the first match counts."""


def gain(name: str, shape: Shape) -> float:
    """Factor of a matrix or of a convolution's weights."""
    if name.startswith("encoder.") and len(shape) == 4:
        return float(np.sqrt(2.0))
    return next((factor for part, factor in GAINS if part in name), 1.0)


UNTRAINED = Untrained(
    scales={"running_mean": (0, 0.05), "bias": (0, 0.05), "relative_emb_v": (0, 0.5)},
    gain=gain,
    centred=True,
    kept=frozenset({"relative_position_index"}),
)
