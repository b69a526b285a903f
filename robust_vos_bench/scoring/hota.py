"""HOTA of tracks that carry the ids of the objects they follow, class by class.

Luiten et al., IJCV 2021; as the evaluation of BURST (Ali2500/BURST-benchmark, exemplar-guided task) computes it. In
each frame predicted and true masks of one class are matched by their IoU times how well their tracks agree over the
video; a match counts at a threshold where its IoU reaches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Mask

Floats = NDArray[np.float64]
THRESHOLDS = np.arange(0.05, 0.99, 0.05)
"""IoU from which a match counts: 0.05, 0.10, ..., 0.95."""
COUNTS = ("hits", "misses", "false", "association")
"""What is kept of an object at each threshold: frames in which it was matched, frames in which it was not, frames in
which its prediction was not, and the sum over its matches of how well their two tracks agree."""
_EPS = float(np.finfo(np.float64).eps)


KINDS = ("box", "mask")
"""What the IoU is of: the boxes around two masks, or the masks."""
Matches = Mapping[str, Mapping[str, Floats]]
"""Of one object: kind -> name in `COUNTS` -> value at each threshold."""


class TrackMatches:
    """The counts of one video, frame by frame. groups: object id -> its class; others are left out."""

    def __init__(self, groups: Mapping[int, int]) -> None:
        self._groups = dict(groups)
        self._frames: list[tuple[list[int], list[int], dict[str, Floats]]] = []

    def add(self, truth: Mapping[int, NDArray[np.bool_]], prediction: Mask) -> None:
        """One annotated frame: the masks of the objects that are there, and the predicted mask of ids.

        A frame without an object counts for nothing, as in the authors' evaluation.
        """
        truth = {i: plane for i, plane in truth.items() if i in self._groups}
        if not truth:
            return
        areas = np.bincount(prediction.ravel(), minlength=256)
        predicted = [i for i in sorted(self._groups) if areas[i]]
        similarity = {kind: np.zeros((len(truth), len(predicted))) for kind in KINDS}
        boxes = [_box(prediction == i) for i in predicted]
        for row, plane in enumerate(truth.values()):
            shared = np.bincount(prediction[plane], minlength=256)
            area, box = int(plane.sum()), _box(plane)
            for column, i in enumerate(predicted):
                union = area + int(areas[i]) - int(shared[i])
                similarity["mask"][row, column] = shared[i] / union if union else 0.0
                similarity["box"][row, column] = _box_iou(box, boxes[column])
        self._frames.append((list(truth), predicted, similarity))

    def result(self) -> dict[int, dict[str, dict[str, Floats]]]:
        """Object id -> its matches."""
        found = {
            i: {kind: {name: np.zeros(len(THRESHOLDS)) for name in COUNTS} for kind in KINDS} for i in self._groups
        }
        for group in set(self._groups.values()):
            ids = [i for i, g in self._groups.items() if g == group]
            for kind in KINDS:
                self._match(ids, kind, {i: found[i][kind] for i in ids})
        return found

    def _match(self, ids: list[int], kind: str, found: dict[int, dict[str, Floats]]) -> None:
        from scipy.optimize import linear_sum_assignment

        place = {i: n for n, i in enumerate(ids)}
        frames = []
        for there, predicted, similarity in self._frames:
            of_truth = [n for n, i in enumerate(there) if i in place]
            of_guess = [n for n, i in enumerate(predicted) if i in place]
            true = np.array([place[there[n]] for n in of_truth], np.intp)
            guessed = np.array([place[predicted[n]] for n in of_guess], np.intp)
            frames.append((true, guessed, similarity[kind][np.ix_(of_truth, of_guess)]))
        agreement, in_truth, in_prediction = _agreement(frames, len(ids))
        matches = np.zeros((len(THRESHOLDS), len(ids), len(ids)))
        counts = {name: np.zeros((len(THRESHOLDS), len(ids))) for name in COUNTS}
        for rows, columns, own in frames:
            counts["misses"][:, rows] += 1
            counts["false"][:, columns] += 1
            if not len(rows) or not len(columns):
                continue
            a, b = linear_sum_assignment(-(agreement[np.ix_(rows, columns)] * own))
            for k, threshold in enumerate(THRESHOLDS):
                good = own[a, b] >= threshold - _EPS
                hit, by = rows[a[good]], columns[b[good]]
                counts["hits"][k, hit] += 1
                counts["misses"][k, hit] -= 1
                counts["false"][k, by] -= 1
                matches[k, hit, by] += 1
        together = matches / np.maximum(1, in_truth[:, None] + in_prediction[None, :] - matches)
        counts["association"] = (matches * together).sum(axis=2)
        for i, n in place.items():
            for name in COUNTS:
                found[i][name] = counts[name][:, n]


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First row, end of rows, first column, end of columns; all 0 for an empty mask."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(ys[0]), int(ys[-1]) + 1, int(xs[0]), int(xs[-1]) + 1) if len(ys) else (0, 0, 0, 0)


def _box_iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    height, width = min(a[1], b[1]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[2], b[2])
    if height <= 0 or width <= 0:
        return 0.0
    areas = [(box[1] - box[0]) * (box[3] - box[2]) for box in (a, b)]
    return height * width / (sum(areas) - height * width)


def _agreement(
    frames: Iterable[tuple[NDArray[np.intp], NDArray[np.intp], Floats]], number: int
) -> tuple[Floats, Floats, Floats]:
    """(how well each true track agrees with each predicted one, frames of the former, frames of the latter)."""
    shared = np.zeros((number, number))
    in_truth, in_prediction = np.zeros(number), np.zeros(number)
    for rows, columns, own in frames:
        in_truth[rows] += 1
        in_prediction[columns] += 1
        rest = own.sum(0)[None, :] + own.sum(1)[:, None] - own
        shared[np.ix_(rows, columns)] += np.divide(own, rest, out=np.zeros_like(own), where=rest > _EPS)
    union = in_truth[:, None] + in_prediction[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), in_truth, in_prediction


def combined(objects: Iterable[Mapping[str, Floats]]) -> dict[str, float]:
    """HOTA, DetA and AssA of the objects of one class, in all videos: means over the thresholds, 0..1."""
    total = {name: np.zeros(len(THRESHOLDS)) for name in COUNTS}
    for one in objects:
        for name in COUNTS:
            total[name] = total[name] + one[name]
    hits = total["hits"]
    detection = hits / np.maximum(1, hits + total["misses"] + total["false"])
    association = total["association"] / np.maximum(1, hits)
    return {
        "HOTA": float(np.sqrt(detection * association).mean()),
        "DetA": float(detection.mean()),
        "AssA": float(association.mean()),
    }
