"""Random numbers keyed by what they are for, so that a training goes on as if it had never been stopped."""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, *key: str | int) -> torch.Generator:
    """A CPU generator for one purpose at one step; no global state is read or changed.

    Draws are made on the CPU whatever the device, so that a GPU trains on the same clips.
    """
    text = "/".join(map(str, (seed, *key)))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
    return torch.Generator().manual_seed(number)
