"""Deterministic untrained weights by name, under which every component of the network shows in its output."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

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
"""First match counts. Chosen so that masks neither collapse nor ignore the memory."""


def recipe(name: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Values of one entry; None for the Swin index tables, which are not weights."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "relative_position_index":
        return None
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if leaf == "running_var":
        values = 1 + 0.1 * np.abs(noise)
    elif leaf in ("running_mean", "bias"):
        values = 0.05 * noise
    elif leaf == "relative_emb_v":
        values = 0.5 * noise
    elif len(shape) == 1:
        values = 1 + 0.05 * noise
    else:
        if shape[1] > 1:
            noise = noise - noise.mean(axis=1, keepdims=True)
        values = noise / np.sqrt(np.prod(shape[1:], dtype=np.float64)) * _gain(name, shape)
    return values.astype(np.float32)


def _gain(name: str, shape: tuple[int, ...]) -> float:
    if name.startswith("encoder.") and len(shape) == 4:
        return float(np.sqrt(2.0))
    return next((gain for part, gain in GAINS if part in name), 1.0)
