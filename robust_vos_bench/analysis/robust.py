"""Scores on frames that attacks made: video by video the worst of the stored splits, and what two models differ by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.intervals import SCORE, Interval, p_value, smallest_p, t_interval
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.result import Result, joint_matrix
from robust_vos_bench.runs.store import safe_name


def worst(matrix: ScoreMatrix, rows: Sequence[NDArray[np.float64]]) -> tuple[Interval, tuple[int, ...]]:
    """The mean over objects where each video has the row that leaves least of it, with its 95 % interval, and which
    rows these are. rows: J&F in points per object. NaN where a video is in no row."""
    found, chosen = worst_objects(matrix, rows)
    if not len(found):
        return Interval(math.nan, math.nan, math.nan), ()
    return t_interval(float(found.mean()), _left_out(matrix, found), SCORE, (0.0, 100.0)), chosen


def worst_objects(
    matrix: ScoreMatrix, rows: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """J&F of every object in the row that leaves least of its video, and which rows these are; NaN where no row has
    the video."""
    found = np.full(len(matrix.objects), np.nan)
    chosen: list[int] = []
    for v in range(len(matrix.videos)):
        objects = matrix.video_of == v
        means = [float(np.nan_to_num(row[objects].mean(), nan=np.inf)) for row in rows]
        if means and min(means) < np.inf:
            chosen.append(means.index(min(means)))
            found[objects] = rows[chosen[-1]][objects]
    return found, tuple(dict.fromkeys(chosen))


def robust_differences(a: Result, b: Result) -> Iterator[tuple[str, float, float, Interval, float]]:
    """(threat, A, B, paired interval of A - B, p) of every threat under which both were attacked, on the same videos.

    Each model stands on the frames that hurt it most, which are others for A than for B: of each video the worst of all
    splits of the threat that were scored on it. Nothing for threats with no split made against one of the two.
    """
    one, other = joint_matrix([a]), joint_matrix([b])
    if one.objects != other.objects:
        return
    theirs = dict(_robust(b, other))
    for threat, mine in _robust(a, one):
        if threat not in theirs:
            continue
        apart = mine - theirs[threat]
        left_out, value = _left_out(one, apart), float(apart.mean())
        interval = t_interval(value, left_out, bounds=(-100.0, 100.0))
        p = max(p_value(value, left_out), smallest_p(len(one.clusters))) if len(one.clusters) > 1 else 1.0
        yield threat, float(mine.mean()), float(theirs[threat].mean()), interval, p


def _robust(result: Result, matrix: ScoreMatrix) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """(threat, points per object), for threats of which a split was made against the model itself."""
    stored = [(i, c, f"{c.corruption}-e{c.severity}") for i, c in enumerate(matrix.conditions) if c.is_stored]
    own = [threat for _, c, threat in stored if c.source == safe_name(result.model)]
    for threat in dict.fromkeys(own):
        yield threat, worst_objects(matrix, [100 * matrix.jf[0, i] for i, _, name in stored if name == threat])[0]


def _left_out(matrix: ScoreMatrix, objects: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over objects without each video."""
    clusters = [matrix.cluster_of == k for k in range(len(matrix.clusters))]
    return np.array([objects[~inside].mean() for inside in clusters if not inside.all()])
