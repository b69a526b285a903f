"""Where the numbers of one model come from: a run directory, or a packed result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from robust_vos_bench.analysis.object_stats import ObjectStats, object_stats, scored_tracks
from robust_vos_bench.analysis.result import Result
from robust_vos_bench.runs.cells import Cells
from robust_vos_bench.runs.invocation import InvocationRecord
from robust_vos_bench.runs.records import FrameScores, Manifest, ModelRecord, UnitRecord
from robust_vos_bench.runs.store import RunStore

Tracks = dict[tuple[str, int], FrameScores]
"""(video, object) -> J and F by frame."""


class ModelSource(ABC):
    """One model of one run. `model` is its name there; a table may show it under another one."""

    def __init__(self, manifest: Manifest, model: str) -> None:
        self.manifest, self.model = manifest, model

    @property
    def record(self) -> ModelRecord:
        """The model as it was resolved."""
        return next(m for m in self.manifest.models if m.name == self.model)

    @property
    def part(self) -> str:
        """What it is repeated with: the same for all models of a run directory."""
        return self.manifest.run_id

    @abstractmethod
    def records(self, label: str) -> Mapping[str, UnitRecord]:
        """Video -> the newest record of one condition."""

    @abstractmethod
    def tracks(self, label: str) -> Tracks:
        """J and F by frame of the scored objects of one condition; empty where they were not kept."""

    @abstractmethod
    def objects(self, labels: Sequence[str], videos: Sequence[str]) -> tuple[ObjectStats, ...]:
        """Statistics of objects over their frames, under these conditions in these videos."""

    def masks(self, label: str, video: str) -> Path | None:
        """Folder of the saved masks of a unit, whether or not any were saved; None where there can be none."""
        return None

    def invocations(self, made: Mapping[str, int]) -> list[tuple[InvocationRecord, int]]:
        """The invocations of these ids, oldest first, each with the number that is given with it: its units."""
        found = [(i, made[i.id]) for i in self.manifest.invocations if i.id in made]
        return sorted(found, key=lambda pair: pair[0].started)


class FolderSource(ModelSource):
    """A model of a run directory. cells: where its records are read from."""

    def __init__(self, store: RunStore, manifest: Manifest, model: str, cells: Cells) -> None:
        super().__init__(manifest, model)
        self.store, self._cells = store, cells

    @property
    def part(self) -> str:
        """The run directory."""
        return str(self.store.folder)

    def records(self, label: str) -> Mapping[str, UnitRecord]:
        """See the base class."""
        return self._cells.get((self.model, label), {})

    def tracks(self, label: str) -> Tracks:
        """See the base class."""
        return scored_tracks(self.store, label, self.model, self.records(label))

    def objects(self, labels: Sequence[str], videos: Sequence[str]) -> tuple[ObjectStats, ...]:
        """See the base class. Comparing saved masks is slow once, then remembered in the run directory."""
        chosen = set(labels)
        conditions = [c for c in self.manifest.conditions if c.label in chosen]
        manifest = msgspec.structs.replace(self.manifest, conditions=conditions, videos=list(videos))
        return object_stats(self.store, manifest, self.model, {c.label: self.records(c.label) for c in conditions})

    def masks(self, label: str, video: str) -> Path:
        """See the base class."""
        return self.store.masks_path(label, self.model, video)


class PackedSource(ModelSource):
    """The model of a packed result, which holds neither scores by frame nor masks."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.manifest, result.model)
        self.result = result
        self._cells = result.cells()

    @property
    def part(self) -> str:
        """A file of its own."""
        return f"{self.manifest.run_id} {self.model}"

    def records(self, label: str) -> Mapping[str, UnitRecord]:
        """See the base class."""
        return self._cells.get((self.model, label), {})

    def tracks(self, label: str) -> Tracks:
        """None."""
        return {}

    def objects(self, labels: Sequence[str], videos: Sequence[str]) -> tuple[ObjectStats, ...]:
        """See the base class."""
        chosen, wanted = set(labels), set(videos)
        return tuple(o for o in self.result.objects if o.condition in chosen and o.video in wanted)
