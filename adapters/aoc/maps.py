"""The matching maps that AOC-Net and RPCM read, in the official channel order."""

from __future__ import annotations

import torch
from torch import Tensor

from ..cfbi_line.maps import background_maps, distance_maps
from ..cfbi_line.nearest import nearest_distances
from ..cfbi_line.windows import window_maps
from .proxies import Proxies

WINDOWS = (12, 2, 4, 6, 8, 10)
"""Radii of local matching in cells at stride 8, in the official order: the largest first."""

OBJECT_MAPS = 15
PROXY_MAPS = 24


def matching_maps(
    query: Tensor,
    previous: Tensor,
    masks: Tensor,
    groups: list[Tensor],
    biases: Tensor,
    proxies: Proxies | None,
    reference_means: Tensor,
    previous_means: Tensor,
) -> Tensor:
    """All maps of every slot, N x (24 with proxies, else 15) x h x w.

    query, previous: embeddings 100 x h x w. masks: previous labels, bool N x h x w. groups: reference pixels R x 100
    of each slot. *_means: mean embedding of each slot, N x 100, over the references and in the previous frame.
    """
    nearest = distance_maps(nearest_distances(query, groups), biases)[:, None]
    local = window_maps(query, previous, masks, WINDOWS, biases, reduce=True)
    maps = [nearest]
    if proxies is not None:
        means = [mean[None] for mean in reference_means]
        for support in (proxies.centres, proxies.averages, means):
            maps.append(distance_maps(nearest_distances(query, support), biases)[:, None])
    maps.append(local)
    if proxies is not None:
        maps.append(object_window_maps(query, previous_means, masks, biases))
    maps += [masks[:, None].to(query.dtype), background_maps(local), background_maps(nearest)]
    return torch.cat(maps, 1)


def object_window_maps(
    query: Tensor, means: Tensor, masks: Tensor, biases: Tensor, windows: tuple[int, ...] = WINDOWS
) -> Tensor:
    """Local maps against object proxies: every previous pixel stands for its slot's mean, one of no slot for 0.

    means: N x C. The other arguments and the result as `window_maps`.
    """
    painted = (masks.to(means.dtype).flatten(1).T @ means).T.unflatten(1, masks.shape[-2:])
    return window_maps(query, painted, masks, windows, biases, reduce=True)
