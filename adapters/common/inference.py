"""How networks run without gradients: the choices that hold for every family, in one place.

Batch norms are folded where their statistics never change (`encoders.fold`); convolutions are laid out channels last
(`settle`); 1 x 1 convolutions, norms and products of such maps take the kernels of `rows`; attention is torch's fused
kernel where keys and values are equally wide (`aot.attention`). Half precision and compiling are asked for by option.
What each of them wins on a CPU, and what was tried and did not pay: docs/running.md, "Networks on a CPU".
"""

from __future__ import annotations

import torch
from torch import nn


def settle(network: nn.Module, device: str = "cpu") -> None:
    """Lay the weights of a loaded network's convolutions out channels last on a CPU; values stay what they are.

    1 x 1 convolutions are products of rows of pixels then, about twice as fast with one thread, and no map is
    reordered on the way into oneDNN's kernels. A network that is slower so says `channels_last = False`.
    """
    if device != "cpu" or not getattr(network, "channels_last", True):
        return
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
