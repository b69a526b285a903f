"""J and F from seven integers per object and frame; every float operation in the official order.

J is the region similarity (intersection over union), F the boundary measure (Perazzi et al., CVPR 2016). They need
only the seven counts of `COUNTS` from two masks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNTS = (
    "pred_area",
    "truth_area",
    "intersection",
    "pred_boundary",
    "truth_boundary",
    "pred_matched",
    "truth_matched",
)
"""Columns of every count table: pixels of the prediction, of the truth, of both; boundary pixels of the prediction and
of the truth; boundary pixels of the prediction within tolerance of the truth's boundary, and the converse."""
BOUNDARY_TOLERANCE = 0.008
"""Share of the image diagonal within which boundary pixels match."""


def radius(height: int, width: int) -> int:
    """Tolerance in pixels: ceil(0.008 x diagonal); 8 for 854 x 480."""
    return int(np.ceil(BOUNDARY_TOLERANCE * np.linalg.norm((height, width))))


def half_widths(r: int) -> NDArray[np.int64]:
    """Half width of the disk's row at each distance 0..r from its centre: the largest x with x^2 + dy^2 <= r^2."""
    dy = np.arange(r + 1, dtype=np.int64)
    squares = r * r - dy * dy
    half = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    half -= half * half > squares
    half += (half + 1) * (half + 1) <= squares
    return half


def jaccard(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """J of each row of an (n, 7) count table; 1 where neither mask holds a pixel."""
    union = counts[:, 0] + counts[:, 1] - counts[:, 2]
    empty = union == 0
    scores: NDArray[np.float64] = counts[:, 2] / np.where(empty, 1, union)
    scores[empty] = 1.0
    return scores


def boundary_f(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F of each row of an (n, 7) count table; 1 where neither mask has a boundary, 0 where only one has."""
    pred, truth = counts[:, 3], counts[:, 4]
    precision = counts[:, 5] / np.where(pred == 0, 1, pred)
    recall = counts[:, 6] / np.where(truth == 0, 1, truth)
    precision[pred == 0] = 1.0
    recall[truth == 0] = 1.0
    recall[(pred == 0) & (truth > 0)] = 0.0
    precision[(truth == 0) & (pred > 0)] = 0.0
    total = precision + recall
    nothing = total == 0
    scores: NDArray[np.float64] = 2 * precision * recall / np.where(nothing, 1.0, total)
    scores[nothing] = 0.0
    return scores
