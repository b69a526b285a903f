"""Scores as arrays: models x conditions x objects, with the video of every object; missing stays missing."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from robust_vos_bench.runs.records import ConditionRecord, Manifest, UnitRecord
from robust_vos_bench.runs.state import Cells
from robust_vos_bench.runs.store import RunStore


@dataclass(frozen=True)
class ScoreMatrix:
    """J and F of every object under every condition for every model; NaN where a unit is missing or failed."""

    models: tuple[str, ...]
    conditions: tuple[ConditionRecord, ...]
    objects: tuple[tuple[str, int], ...]
    """(video, object id), in the order of the data set."""
    j: NDArray[np.float64]
    """models x conditions x objects, 0..1."""
    f: NDArray[np.float64]
    videos: tuple[str, ...]
    missing_videos: dict[tuple[str, str], tuple[str, ...]]
    """(model, condition label) -> videos without scores; absent where the cell is complete."""
    unscored: tuple[tuple[str, int], ...] = ()
    """Objects that the truth shows in no scored frame, only in their prompt. No mean of any model contains them."""
    unscored_videos: tuple[str, ...] = ()
    """Videos without any object to be scored, not among `videos`."""
    footage: Mapping[str, str] = field(default_factory=dict)
    """Video -> what is filmed in it, where videos share that; every other one is footage of its own."""
    extra: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """What the protocol of the data set's authors adds ("J_tr", ...): name -> models x conditions x objects, NaN where
    it is missing or undefined."""

    @property
    def jf(self) -> NDArray[np.float64]:
        """(J + F) / 2 per object, 0..1."""
        return (self.j + self.f) / 2

    @property
    def video_of(self) -> NDArray[np.intp]:
        """Index into `videos` of every object."""
        index = {video: i for i, video in enumerate(self.videos)}
        return np.array([index[video] for video, _ in self.objects], np.intp)

    @property
    def clusters(self) -> tuple[str, ...]:
        """The footage of the videos, each once: what intervals leave out. The videos, where each has its own."""
        return tuple(dict.fromkeys(self.footage.get(video, video) for video in self.videos))

    @property
    def cluster_of(self) -> NDArray[np.intp]:
        """Index into `clusters` of every object."""
        index = {name: i for i, name in enumerate(self.clusters)}
        return np.array([index[self.footage.get(video, video)] for video, _ in self.objects], np.intp)

    def cell_means(self, measure: str = "J&F") -> NDArray[np.float64]:
        """models x conditions: mean over objects, NaN where any video of the cell is missing."""
        values = {"J": self.j, "F": self.f, "J&F": self.jf}[measure]
        means = values.mean(axis=2) if values.shape[2] else np.full(values.shape[:2], np.nan)
        means[~self.complete] = np.nan
        return means

    @property
    def complete(self) -> NDArray[np.bool_]:
        """models x conditions: whether every video is scored.

        `j` and `f` cannot tell this: a video that failed everywhere has no known objects.
        """
        return np.array([[(m, c.label) not in self.missing_videos for c in self.conditions] for m in self.models])


def read_matrix(store: RunStore, manifest: Manifest) -> ScoreMatrix:
    """The matrix of one run directory."""
    models = tuple(m.name for m in manifest.models)
    records = {(m, c.label): store.records(c.label, m) for m in models for c in manifest.conditions}
    return matrix_from_records(models, manifest.conditions, manifest.videos, records, footage_of(manifest))


def footage_of(manifest: Manifest) -> Mapping[str, str]:
    """Video -> what is filmed in it, where the run says that videos share it."""
    return {} if manifest.dataset.footage is UNSET else manifest.dataset.footage


def matrix_from_records(
    models: Sequence[str],
    conditions: Sequence[ConditionRecord],
    videos: Sequence[str],
    records: Cells,
    footage: Mapping[str, str] | None = None,
) -> ScoreMatrix:
    """Arrange records in arrays.

    An object without any frame to be scored is left out, and so is a video without any other object: that follows from
    the ground truth and is the same for every model. A video that no model could process stays, because its objects
    are not known.
    """
    known = _known_objects(records, set(videos))
    scored = {video: {i for i, frames in known.get(video, {}).items() if frames} for video in videos}
    unscored_videos = tuple(video for video in videos if video in known and not scored[video])
    kept = tuple(video for video in videos if video not in unscored_videos)
    objects = tuple((video, i) for video in kept for i in sorted(scored[video]))
    position = {name: k for k, name in enumerate(objects)}
    shape = (len(models), len(conditions), len(objects))
    j, f = np.full(shape, np.nan), np.full(shape, np.nan)
    missing: dict[tuple[str, str], tuple[str, ...]] = {}
    for a, model in enumerate(models):
        for b, condition in enumerate(conditions):
            cell = records.get((model, condition.label), {})
            absent = tuple(v for v in kept if v not in cell or not cell[v].ok)
            if absent:
                missing[model, condition.label] = absent
            _fill(j[a, b], f[a, b], cell, position)
    return ScoreMatrix(
        models=tuple(models),
        conditions=tuple(conditions),
        objects=objects,
        j=j,
        f=f,
        videos=kept,
        missing_videos=missing,
        unscored=tuple((v, i) for v in videos for i in sorted(known.get(v, {}).keys() - scored[v])),
        unscored_videos=unscored_videos,
        footage=footage or {},
        extra=_extra(records, models, conditions, position),
    )


def _known_objects(records: Cells, videos: Container[str]) -> dict[str, dict[int, bool]]:
    """Video -> object -> whether any record scores a frame of it. Videos without a finished record are absent."""
    known: dict[str, dict[int, bool]] = {}
    for cell in records.values():
        for video, record in cell.items():
            if record.ok and video in videos:
                seen = known.setdefault(video, {})
                for score in record.objects:
                    seen[score.object] = seen.get(score.object, False) or bool(score.frames)
    return known


def _extra(
    records: Cells,
    models: Sequence[str],
    conditions: Sequence[ConditionRecord],
    position: Mapping[tuple[str, int], int],
) -> dict[str, NDArray[np.float64]]:
    """The numbers beside J and F, by name."""
    found: dict[str, NDArray[np.float64]] = {}
    for a, model in enumerate(models):
        for b, condition in enumerate(conditions):
            for video, record in records.get((model, condition.label), {}).items():
                for score in record.objects if record.ok else ():
                    k = position.get((video, score.object))
                    if k is None or score.extra is UNSET:
                        continue
                    for name, value in score.extra.items():
                        if name not in found:
                            found[name] = np.full((len(models), len(conditions), len(position)), np.nan)
                        found[name][a, b, k] = np.nan if value is None else value
    return found


def _fill(
    j: NDArray[np.float64],
    f: NDArray[np.float64],
    cell: Mapping[str, UnitRecord],
    position: Mapping[tuple[str, int], int],
) -> None:
    """Write one cell's scores to its rows of J and F (one entry per object)."""
    for video, record in cell.items():
        for score in record.objects if record.ok else ():
            k = position.get((video, score.object))
            if k is not None:
                j[k], f[k] = score.value("j_mean"), score.value("f_mean")
