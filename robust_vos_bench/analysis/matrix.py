"""Scores as arrays: models x conditions x objects, with the video of every object; missing stays missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from robust_vos_bench.runs.cells import Cells, Place, StoredCells
from robust_vos_bench.runs.records import ConditionRecord, Manifest, UnitRecord
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

    def by_video(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """models x videos: J&F in points, weighted over conditions, mean over the objects of each video."""
        used = weights != 0
        by_object = 100 * np.tensordot(self.jf[:, used], weights[used], axes=(1, 0))
        chosen = [by_object[:, self.video_of == number] for number in range(len(self.videos))]
        return np.stack([objects.mean(axis=1) for objects in chosen], axis=1)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """models x conditions: whether every video is scored.

        `j` and `f` cannot tell this: a video that failed everywhere has no known objects.
        """
        return np.array([[(m, c.label) not in self.missing_videos for c in self.conditions] for m in self.models])


def read_matrix(store: RunStore, manifest: Manifest) -> ScoreMatrix:
    """The matrix of one run directory."""
    models = tuple(m.name for m in manifest.models)
    records = StoredCells(store, ((m, c.label) for m in models for c in manifest.conditions))
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
    found = Scores(models, conditions, videos)
    for place, cell in records.items():  # once: reading the cells of a large run takes seconds
        found.take(place, cell)
    return found.matrix(footage or {})


class Scores:
    """The scores of cells that are seen one after the other; which objects there are is known at the end only."""

    def __init__(self, models: Sequence[str], conditions: Sequence[ConditionRecord], videos: Sequence[str]) -> None:
        self.models, self.conditions, self.videos = tuple(models), tuple(conditions), tuple(videos)
        self._chosen = frozenset(videos)
        self._rows = {(m, c.label): (a, b) for a, m in enumerate(models) for b, c in enumerate(conditions)}
        self._absent = dict.fromkeys(self._rows, self.videos)
        """Cell -> videos without scores."""
        self._numbers: dict[tuple[str, int], int] = {}
        """(video, object) -> number in the order of appearance."""
        self._scored: list[bool] = []
        """By number: whether any record scores a frame of the object."""
        self._known: set[str] = set()
        """Videos with a finished record."""
        self._j: list[tuple[tuple[int, int], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]] = []
        """Row, numbers, J, F of every cell."""
        self._extra: dict[str, list[tuple[tuple[int, int], int, float]]] = {}

    def take(self, place: Place, cell: Mapping[str, UnitRecord]) -> None:
        """The records of one cell: video -> record."""
        row = self._rows.get(place)
        numbers: list[int] = []
        j: list[float | None] = []
        f: list[float | None] = []
        for video, record in cell.items():
            if video not in self._chosen or not record.ok:
                continue
            self._known.add(video)
            for score in record.objects:
                number = self._numbers.setdefault((video, score.object), len(self._scored))
                if number == len(self._scored):
                    self._scored.append(False)
                if score.frames:
                    self._scored[number] = True
                numbers.append(number)
                j.append(score.j_mean)
                f.append(score.f_mean)
                if score.extra is not UNSET and row is not None:
                    for name, value in score.extra.items():
                        self._extra.setdefault(name, []).append((row, number, np.nan if value is None else value))
        if row is not None:
            # None becomes NaN
            self._j.append((row, np.array(numbers, np.intp), np.array(j, np.float64), np.array(f, np.float64)))
            self._absent[place] = tuple(v for v in self.videos if v not in cell or not cell[v].ok)

    def matrix(self, footage: Mapping[str, str]) -> ScoreMatrix:
        """All of it, objects in the order of the videos and their ids."""
        scored: dict[str, list[int]] = {video: [] for video in self.videos}
        unscored: dict[str, list[int]] = {video: [] for video in self.videos}
        for (video, i), number in self._numbers.items():
            (scored if self._scored[number] else unscored)[video].append(i)
        unscored_videos = tuple(v for v in self.videos if v in self._known and not scored[v])
        gone = set(unscored_videos)
        kept = tuple(v for v in self.videos if v not in gone)
        objects = tuple((v, i) for v in kept for i in sorted(scored[v]))
        column = np.full(len(self._numbers), -1, np.intp)
        """By number: index into `objects`, -1 for an object that is left out."""
        for k, name in enumerate(objects):
            column[self._numbers[name]] = k
        shape = (len(self.models), len(self.conditions), len(objects))
        j, f = np.full(shape, np.nan), np.full(shape, np.nan)
        for row, numbers, own_j, own_f in self._j:
            columns = column[numbers]
            shown = columns >= 0
            j[row][columns[shown]], f[row][columns[shown]] = own_j[shown], own_f[shown]
        absent = {place: tuple(v for v in names if v not in gone) for place, names in self._absent.items() if names}
        return ScoreMatrix(
            models=self.models,
            conditions=self.conditions,
            objects=objects,
            j=j,
            f=f,
            videos=kept,
            missing_videos={place: names for place, names in absent.items() if names},
            unscored=tuple((v, i) for v in self.videos for i in sorted(unscored[v])),
            unscored_videos=unscored_videos,
            footage=footage,
            extra=self._extras(column, shape),
        )

    def _extras(self, column: NDArray[np.intp], shape: tuple[int, int, int]) -> dict[str, NDArray[np.float64]]:
        """The numbers beside J and F, by name."""
        found: dict[str, NDArray[np.float64]] = {}
        for name, values in self._extra.items():
            for row, number, value in values:
                if column[number] >= 0:
                    found.setdefault(name, np.full(shape, np.nan))[row][column[number]] = value
        return found
