"""From squared distances to the maps that networks read."""

from __future__ import annotations

import torch
from torch import Tensor


def slot_biases(background: Tensor, foreground: Tensor, slots: int) -> Tensor:
    """The learnt bias of every slot, shape (slots,): one value for background, one that all objects share."""
    return torch.cat([background.reshape(1), foreground.reshape(1).expand(slots - 1)])


def distance_maps(distances: Tensor, biases: Tensor) -> Tensor:
    """2 sigmoid(d + bias) - 1, in about [tanh(bias / 2), 1]; distances slots x ..., biases (slots,); float32."""
    shaped = biases.reshape(-1, *[1] * (distances.ndim - 1))
    return (torch.sigmoid(distances.float() + shaped) - 0.5) * 2


def background_maps(maps: Tensor) -> Tensor:
    """For every slot the minimum over all other slots, elementwise; slots x ... . With one slot: the map itself."""
    if len(maps) == 1:
        return maps
    if len(maps) == 2:
        return maps.flip(0)
    lowest, second = torch.topk(maps, 2, dim=0, largest=False).values
    owner = maps.argmin(0)
    slot = torch.arange(len(maps), device=maps.device).reshape(-1, *[1] * (maps.ndim - 1))
    return torch.where(slot == owner, second, lowest)
