"""k-means on the embeddings of one object: the official Lloyd loop, with starts that depend on a key alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import vq
from scipy.sparse import csc_matrix

from robust_vos_bench.models.argmax import not_finite

ITERATIONS = 20
"""Lloyd iterations of the official call (`kmeans2(..., iter=20)`)."""


@dataclass(frozen=True)
class Clusters:
    """Result of k-means over n rows."""

    centres: NDArray[np.float32]
    """c x D. The centre of a cluster that has members is their mean; an empty cluster keeps its last place."""
    labels: NDArray[np.integer]
    """Cluster of each row, before the last update of the centres."""


def initial_rows(rows: int, count: int, seed: int = 0) -> NDArray[np.integer]:
    """Which rows the centres start from: `count` distinct ones, a function of (seed, rows, count) alone.

    The official code draws them by `choice` from numpy's global legacy generator, never seeded; this is that draw
    from a generator of its own, seeded before every clustering, so that the order of calls does not matter.
    """
    return np.random.RandomState(seed).choice(rows, count, replace=False)


def kmeans(rows: NDArray[np.float32], count: int, seed: int = 0, iterations: int = ITERATIONS) -> Clusters:
    """k-means as scipy's `kmeans2(minit="points")` does it, bit for bit, given the same initial rows.

    rows: n x D float32; count: clusters, 1..n. Stops early where the assignment repeats: all later iterations
    would return the same. Raises FloatingPointError for NaN and Inf, for which scipy gives labels that do not exist.
    """
    data = np.ascontiguousarray(rows, dtype=np.float32)
    if not np.isfinite(data).all():
        raise not_finite(int(np.isnan(data).any(1).sum()), int(np.isinf(data).any(1).sum()), len(data))
    centres = data[initial_rows(len(data), count, seed)]
    labels: NDArray[np.integer] = np.empty(0, np.int32)
    for _ in range(iterations):
        assigned = vq(data, centres, check_finite=False)[0]
        if np.array_equal(assigned, labels):
            break
        labels = assigned
        centres = cluster_means(data, labels, centres)
    return Clusters(centres, labels)


def cluster_means(
    data: NDArray[np.float32], labels: NDArray[np.integer], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean of every cluster's rows, summed in row order in float32; empty clusters keep their centre."""
    members = np.bincount(labels, minlength=len(centres)).astype(np.float32)
    filled = members > 0
    # a product with the one-hot matrix in column order adds row after row: scipy's order, and so its rounding
    one_hot = csc_matrix((np.ones(len(data), np.float32), labels, np.arange(len(data) + 1)), (len(centres), len(data)))
    updated = centres.copy()
    updated[filled] = (one_hot @ data)[filled] / members[filled, None]
    return updated
