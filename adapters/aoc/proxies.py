"""Adaptive proxies (AOC-Net): cluster centres of every object's reference pixels, clustered only when they changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..cfbi_line.nearest import with_gradient
from ..cfbi_line.pool import ReferencePool
from .clustering import Clusters, cluster_means, kmeans

CLUSTERS = 16
"""Proxies an object has at most."""

Clusterer = Callable[[NDArray[np.float32], int, int], Clusters]
"""(rows n x C, clusters, slot) -> `Clusters`."""


@dataclass(frozen=True)
class Proxies:
    """Proxy embeddings of every slot, c x C each; c is 0 where a slot has none."""

    centres: list[Tensor]
    """All cluster centres ("proxy A", which the official code cannot differentiate)."""
    averages: list[Tensor]
    """Means over each non-empty cluster ("proxy B", which it can)."""


class ProxyBank:
    """Clusters the reference pixels of a video as its pool grows.

    The official code clusters the whole pool again on every frame. A slot is clustered here only when it has new
    pixels or may have another number of clusters; the result is the same, because the start depends on nothing else.

    corrected: False mirrors two oddities that a network trained with the official code has seen. Averages are taken
    over the rows of the *whole* pool that stand at the positions which members have within their slot. The number of
    clusters never rises again from one slot to the next, so that an object of three pixels leaves all later ones
    three clusters, and an empty slot none. True gives every slot min(16, pixels) clusters, and averages are centres.
    """

    def __init__(self, seed: int = 0, corrected: bool = False, cluster: Clusterer | None = None) -> None:
        self.corrected = corrected
        self.cluster: Clusterer = cluster or (lambda rows, count, slot: kmeans(rows, count, seed))
        self._cached: dict[int, tuple[tuple[int, int], Tensor, Tensor]] = {}
        self._pool: ReferencePool | None = None

    def proxies(self, pool: ReferencePool, slots: int) -> Proxies:
        """Proxies of slots 0..slots-1 over the pool as it is now (a pool only grows; another one starts afresh)."""
        if pool is not self._pool:
            self._pool = pool
            self._cached.clear()
        centres, averages = [], []
        count = CLUSTERS
        every: Tensor | None = None
        for slot in range(slots):
            rows = pool.group(slot)
            count = min(CLUSTERS if self.corrected else count, len(rows))
            key = (len(rows), count)
            if slot not in self._cached or self._cached[slot][0] != key:
                if count == 0:
                    self._cached[slot] = (key, rows[:0], rows[:0])
                else:
                    if every is None and not self.corrected:
                        every = pool.rows()[0]
                    self._cached[slot] = (key, *self._proxies_of(rows, count, slot, every))
            centres.append(self._cached[slot][1])
            averages.append(self._cached[slot][2])
        return Proxies(centres, averages)

    def _proxies_of(self, rows: Tensor, count: int, slot: int, every: Tensor | None) -> tuple[Tensor, Tensor]:
        clusters = self.cluster(_array(rows), count, slot)
        filled = np.bincount(clusters.labels, minlength=count) > 0
        averages, averaged = clusters.centres, rows
        if every is not None:
            averaged = every[: len(rows)]
            averages = cluster_means(_array(averaged), clusters.labels, averages)
        return (
            _passing(clusters.centres, rows, clusters.labels),
            _passing(averages, averaged, clusters.labels)[torch.from_numpy(filled).to(rows.device)],
        )


def _array(rows: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = rows.detach().float().cpu().numpy()
    return found


def _passing(means: NDArray[np.float32], rows: Tensor, labels: NDArray[np.integer]) -> Tensor:
    """Means of clusters as a tensor. With gradients: those of the mean of the rows that each cluster holds, as they
    are assigned; the assignment passes none."""
    values = torch.from_numpy(means).to(rows)
    if not (torch.is_grad_enabled() and rows.requires_grad):
        return values
    members = F.one_hot(torch.from_numpy(labels.astype(np.int64)).to(rows.device), len(means)).to(rows)
    return with_gradient(values, members.T @ rows / members.sum(0)[:, None].clamp(min=1))
