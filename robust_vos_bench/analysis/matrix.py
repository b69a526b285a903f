"""Scores as arrays: models x conditions x objects, with the video of every object; missing stays missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.runs.records import Manifest
from robust_vos_bench.runs.state import Cells
from robust_vos_bench.runs.store import RunStore


@dataclass(frozen=True)
class ConditionInfo:
    """One column of the grid, as the manifest tells it."""

    label: str
    corruption: str
    severity: int
    family: str

    @property
    def is_clean(self) -> bool:
        """Whether nothing is corrupted."""
        return not self.corruption


@dataclass(frozen=True)
class ScoreMatrix:
    """J and F of every object under every condition for every model; NaN where a unit is missing or failed."""

    models: tuple[str, ...]
    conditions: tuple[ConditionInfo, ...]
    objects: tuple[tuple[str, int], ...]
    """(video, object id), in the order of the data set."""
    j: NDArray[np.float64]
    """models x conditions x objects, 0..1."""
    f: NDArray[np.float64]
    videos: tuple[str, ...]
    missing_videos: dict[tuple[str, str], tuple[str, ...]]
    """(model, condition label) -> videos without scores; absent where the cell is complete."""
    unscored: tuple[tuple[str, int], ...] = ()
    """Objects that the truth shows in no frame to be scored (in their prompt only): in no mean, of no model."""
    unscored_videos: tuple[str, ...] = ()
    """Videos without any object to be scored, not among `videos`."""

    @property
    def jf(self) -> NDArray[np.float64]:
        """(J + F) / 2 an object."""
        return (self.j + self.f) / 2

    @property
    def video_of(self) -> NDArray[np.intp]:
        """Index into `videos` of every object: the clusters of the bootstrap."""
        index = {video: i for i, video in enumerate(self.videos)}
        return np.array([index[video] for video, _ in self.objects], np.intp)

    def cell_means(self, measure: str = "J&F") -> NDArray[np.float64]:
        """models x conditions: mean over objects, NaN where any video of the cell is missing."""
        values = {"J": self.j, "F": self.f, "J&F": self.jf}[measure]
        means = values.mean(axis=2) if values.shape[2] else np.full(values.shape[:2], np.nan)
        means[~self.complete] = np.nan
        return means

    @property
    def complete(self) -> NDArray[np.bool_]:
        """models x conditions: whether every video is scored. A video that failed everywhere has no known objects, so
        this cannot be read off `j` and `f`."""
        return np.array([[(m, c.label) not in self.missing_videos for c in self.conditions] for m in self.models])

    def condition_index(self, **wanted: object) -> list[int]:
        """Indices of the conditions whose fields equal `wanted`."""
        return [i for i, c in enumerate(self.conditions) if all(getattr(c, k) == v for k, v in wanted.items())]


def read_matrix(store: RunStore, manifest: Manifest) -> ScoreMatrix:
    """The matrix of one run directory."""
    conditions = conditions_of(manifest)
    models = tuple(m.name for m in manifest.models)
    records = {(m, c.label): store.records(c.label, m) for m in models for c in conditions}
    return matrix_from_records(models, conditions, tuple(manifest.videos), records)


def conditions_of(manifest: Manifest) -> tuple[ConditionInfo, ...]:
    """The grid's columns, in the order of the plan."""
    return tuple(
        ConditionInfo(c["label"], c["corruption"], int(c["severity"]), c.get("family", "")) for c in manifest.conditions
    )


def matrix_from_records(
    models: Sequence[str],
    conditions: Sequence[ConditionInfo],
    videos: Sequence[str],
    records: Cells,
) -> ScoreMatrix:
    """Arrange records: (model, condition label) -> video -> record.

    An object without any frame to be scored is left out, and a video that has no other: that is the truth's doing,
    and the same for every model. A video that nobody could do stays, for all that is known of its objects.
    """
    ids: dict[str, set[int]] = {video: set() for video in videos}
    seen: dict[str, set[int]] = {}
    for cell in records.values():
        for video, record in cell.items():
            if record.ok and video in ids:
                ids[video] |= {o.object for o in record.objects if o.frames}
                seen.setdefault(video, set()).update(o.object for o in record.objects)
    unscored = tuple((video, i) for video in videos for i in sorted(seen.get(video, set()) - ids[video]))
    unscored_videos = tuple(video for video in videos if video in seen and not ids[video])
    videos = [video for video in videos if video not in unscored_videos]
    objects = tuple((video, i) for video in videos for i in sorted(ids[video]))
    position = {name: i for i, name in enumerate(objects)}
    shape = (len(models), len(conditions), len(objects))
    j, f = np.full(shape, np.nan), np.full(shape, np.nan)
    missing: dict[tuple[str, str], tuple[str, ...]] = {}
    for a, model in enumerate(models):
        for b, condition in enumerate(conditions):
            cell = records.get((model, condition.label), {})
            absent = tuple(v for v in videos if v not in cell or not cell[v].ok)
            if absent:
                missing[model, condition.label] = absent
            for video in videos:
                if video in cell and cell[video].ok:
                    for score in cell[video].objects:
                        if (video, score.object) not in position:
                            continue
                        k = position[video, score.object]
                        j[a, b, k], f[a, b, k] = score.value("j_mean"), score.value("f_mean")
    return ScoreMatrix(
        tuple(models), tuple(conditions), objects, j, f, tuple(videos), missing, unscored, unscored_videos
    )
