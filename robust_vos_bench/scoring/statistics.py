"""Mean, recall and decay of one object over time, and the global block: the official float operations, in order.

Source: the DAVIS challenge's `db_statistics` (Perazzi et al., CVPR 2016; Pont-Tuset et al., 2017). The numbers are
bit-identical only if numpy's own pairwise summation runs over a contiguous float64 array, so nothing here is rewritten
as a running sum.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from robust_vos_bench.scoring.objects import ObjectScore

BINS = 4
THRESHOLD = 0.5
STATISTICS = {
    "J-Mean": "j_mean",
    "J-Recall": "j_recall",
    "J-Decay": "j_decay",
    "F-Mean": "f_mean",
    "F-Recall": "f_recall",
    "F-Decay": "f_decay",
}
"""The six statistics of an object: official name -> attribute of `ObjectScore`, in the order of every table."""
GLOBAL_NAMES = ("J&F-Mean", *STATISTICS)
"""Names of the global block, in the order in which the official script prints them."""


def decay_edges(length: int, wrap: bool = False) -> NDArray[np.int64]:
    """Indices of the five bin edges over `length` frames.

    The official script stores them in 8 bits, so that beyond 256 frames they wrap around and the decay turns NaN or
    wrong; `wrap` reproduces that. Without it the indices are those that were meant.
    """
    edges = (np.round(np.linspace(1, length, BINS + 1) + 1e-10) - 1).astype(np.int64)
    return edges & 0xFF if wrap else edges


def statistics(values: NDArray[np.float64], wrap: bool = False) -> tuple[float, float, float]:
    """(mean, recall, decay) of one measure over the scored frames of one object; NaN where there is no frame.

    Recall is the share of frames strictly above 0.5; decay is the mean of the first of four bins minus the last's.
    """
    values = np.ascontiguousarray(values, dtype=np.float64)
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    edges = decay_edges(len(values), wrap)
    first, last = values[edges[0] : edges[1] + 1], values[edges[BINS - 1] : edges[BINS] + 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)
        mean = np.nanmean(values)
        recall = np.nanmean(values > THRESHOLD)
        decay = np.nanmean(first) - np.nanmean(last)
    return float(mean), float(recall), float(decay)


def global_scores(objects: Iterable[ObjectScore]) -> dict[str, float]:
    """Plain means over objects in the given order (that of the split, then the id), and J&F-Mean = (J + F) / 2.

    Objects without a scored frame are left out (whoever prints the means says how many). NaN where none is left.
    """
    scores = [score for score in objects if score.frames]
    if not scores:
        return dict.fromkeys(GLOBAL_NAMES, float("nan"))
    means = {name: np.mean([getattr(score, field) for score in scores]) for name, field in STATISTICS.items()}
    both = (means["J-Mean"] + means["F-Mean"]) / 2.0
    return {"J&F-Mean": float(both), **{name: float(value) for name, value in means.items()}}
