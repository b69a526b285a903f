"""What a run will do: models x data set x conditions, and the key of every unit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from robust_vos_bench.conditions import Condition
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.origin import Origin
from robust_vos_bench.runs.records import ModelRecord, canonical, digest

_GAP = "\0the data of the video"
"""Stands for it in facts; no name holds a NUL."""


@dataclass(frozen=True)
class ModelSpec:
    """One model of a run: what to load, and the record of it."""

    name: str
    """As it is loaded: a registered name or `file.py:Class`."""
    checkpoint: str | None
    options: Mapping[str, Any]
    record: ModelRecord
    origin: Origin | None = None
    """Where a model that is not built in comes from: of `file.py:Class`, the text of the file."""
    absent: str = ""
    """Why it cannot be loaded here (no weights); such a model can be planned but not run."""
    inside: ModelSpec | None = None
    """The model that it runs; `record` tells of both."""


class Unit(NamedTuple):
    """One model on one video under one condition: what is scored, recorded and resumed as a whole."""

    model: int
    """Index into `Plan.models`."""
    condition: Condition
    video: str


@dataclass(frozen=True)
class Group:
    """The units that share one corrupted clip: one video under one condition, for the models still to run."""

    condition: Condition
    video: str
    models: tuple[int, ...]
    """Indices into `Plan.models`."""


@dataclass(frozen=True)
class Plan:
    """A run before it starts. Everything in it is plain data and picklable."""

    models: tuple[ModelSpec, ...]
    dataset: Dataset
    conditions: tuple[Condition, ...]
    condition_fingerprints: Mapping[str, str]
    """Condition label -> digest of corruption, version and parameters."""
    families: Mapping[str, str]
    """Corruption -> family, for tables."""
    preset: Mapping[str, Any]
    videos: tuple[str, ...]
    protocol: str
    protocol_version: str
    save_masks: bool = False
    films: tuple[str, ...] = ()
    """Videos of which a film is made for each unit: its masks on the frames that the model saw."""
    profile: bool = False
    """Write a trace of where the time goes."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Video -> digest of its data."""
    sources: Mapping[int, Mapping[tuple[str, str], str]] = field(default_factory=dict)
    """Model (index) -> (condition label, video) -> digest of the files that its masks are read from, where there are
    any (`VOSAdapter.sources`)."""

    @property
    def identity(self) -> str:
        """Equal for the same models, data, conditions and protocol: names the run directory."""
        return digest(
            {
                "models": [
                    [m.record.identity, m.record.adapter_version, dict(m.record.options), m.record.weights_sha256]
                    for m in self.models
                ],
                "dataset": [self.dataset.name, sorted(self.videos)],
                "conditions": sorted(c.label for c in self.conditions),
                "preset": [self.preset.get("name"), self.preset.get("version")],
                "protocol": [self.protocol, self.protocol_version],
            }
        )

    def key(self, model: int, condition: Condition, video: str) -> str:
        """Digest of everything that the scores of one unit depend on."""
        source = self.sources.get(model, {}).get((condition.label, video), "")
        return self._finished(*self._begun(model, condition), video, source)

    def keys(self, model: int, condition: Condition) -> list[str]:
        """The key of every video of a cell."""
        begun, sources = self._begun(model, condition), self.sources.get(model, {})
        return [self._finished(*begun, v, sources.get((condition.label, v), "")) for v in self.videos]

    @cached_property
    def _beginnings(self) -> dict[tuple[int, str], tuple[Any, bytes]]:
        return {}

    def _begun(self, model: int, condition: Condition) -> tuple[Any, bytes]:
        """The hash of a cell's facts up to those of the video, and the bytes after these: they are the same for all
        videos, and a run may have a million units."""
        place = (model, condition.label)
        if place not in self._beginnings:
            record = self.models[model].record
            facts = {
                "model": record.identity,
                "adapter": record.adapter_version,
                "options": dict(record.options),
                "weights": record.weights_sha256,
                "data": _GAP,
                "dataset": self.dataset.name + (f"+{self.dataset.code[:8]}" if self.dataset.code else ""),
                "condition": condition.to_dict(),
                "corruption": self.condition_fingerprints[condition.label],
                "protocol": [self.protocol, self.protocol_version],
            }
            before, _, after = canonical(facts).partition(canonical(_GAP))
            self._beginnings[place] = (hashlib.sha256(before), after)
        return self._beginnings[place]

    def _finished(self, begun: Any, after: bytes, video: str, source: str) -> str:
        whole = begun.copy()
        whole.update(canonical(self.fingerprints[video]) + after + source.encode())
        return str(whole.hexdigest()[:24])

    def __getstate__(self) -> dict[str, Any]:
        """For worker processes: without hashes that have begun, which cannot be sent and are made again."""
        return {name: value for name, value in self.__dict__.items() if name != "_beginnings"}

    def groups(self, pending: Iterable[Unit]) -> Iterator[Group]:
        """Pending units in the order they run: condition by condition, video by video, all models together."""
        models: dict[tuple[str, str], list[int]] = {}
        for unit in pending:
            models.setdefault((unit.condition.label, unit.video), []).append(unit.model)
        for condition in self.conditions:
            for video in self.videos:
                if wanted := models.get((condition.label, video)):
                    yield Group(condition, video, tuple(sorted(wanted)))

    def units(self) -> Iterator[Unit]:
        """Every unit of the grid."""
        for condition in self.conditions:
            for video in self.videos:
                for model in range(len(self.models)):
                    yield Unit(model, condition, video)
