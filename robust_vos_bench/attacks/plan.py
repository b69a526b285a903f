"""What a command of attacks does: models, videos, threats in order, and where each split lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.attacks.presets import AttackPreset
from robust_vos_bench.attacks.store import AttackRecord, SplitFacts
from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import RvosError
from robust_vos_bench.runs.plan import ModelSpec


@dataclass(frozen=True)
class Job:
    """One model (None: noise, which needs none) on one video."""

    spec: ModelSpec | None
    video: str
    place: int
    """Of the video in the data set: the first ones have the checks as well."""


@dataclass
class Made:
    """What became of one video under one threat."""

    job: Job
    label: str
    attack: AttackRecord | None = None
    kept: bool = False
    error: RvosError | None = None


@dataclass(frozen=True)
class AttackPlan:
    """What a command of attacks does. Plain data, picklable."""

    models: tuple[ModelSpec, ...]
    dataset: Dataset
    preset: AttackPreset
    output: Path
    seed: int = 0
    format: str = "png"
    device: str = "cpu"
    """Kind of device: "cpu", "cuda"."""
    target: str = "truth"
    """"truth", or "clean": the model's own masks of the clean frames, where nobody publishes true ones."""

    @property
    def jobs(self) -> list[Job]:
        """The work, model by model, noise first: it takes no time."""
        sources: list[ModelSpec | None] = [None] if self.threats(None) else []
        return [Job(s, v, n) for s in [*sources, *self.models] for n, v in enumerate(self.dataset.videos)]

    def threats(self, spec: ModelSpec | None) -> list[Threat]:
        """The threats of a model, in order; of None those that need no model."""
        return [t for t in self.preset.threats if t.needs_model == (spec is not None)]

    def facts(self, spec: ModelSpec | None, threat: Threat) -> SplitFacts:
        """What the split of a threat against a model is."""
        before = self.threats(spec)
        before = before[: before.index(threat)] if threat.kind == "linf" else []
        return SplitFacts(
            threat=threat,
            source=None if spec is None else spec.record,
            effort=self.preset.facts(threat),
            preset={} if spec is None else {"name": self.preset.name, "version": self.preset.version},
            seed=self.seed,
            device=self.device if spec is not None else "cpu",
            before=tuple(t.label for t in before if t.kind == "linf" and t.may_be_within(threat)),
            format=self.format,
            target=self.target if spec is not None else "truth",
        )

    def splits(self) -> list[SplitFacts]:
        """Every split, in the order in which they are made."""
        return [self.facts(spec, threat) for spec in (None, *self.models) for threat in self.threats(spec)]

    def folder(self, facts: SplitFacts) -> Path:
        """Where a split lies."""
        return self.output / facts.label
