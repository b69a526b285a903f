"""What a run cost, what failed in it and who made it, counted in one look at its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robust_vos_bench.runs.cells import Place
from robust_vos_bench.runs.records import UnitRecord


@dataclass
class ModelCost:
    """Over the finished units of one model."""

    frames: int = 0
    seconds: float = 0.0
    """Of the model."""
    made: float = 0.0
    """Seconds that its frames took."""
    rss: float = math.nan
    """Largest peak in MiB; NaN without units."""
    gpu: float = 0.0
    """Largest peak on the GPU in MiB."""
    warnings: set[str] = field(default_factory=set)

    @property
    def fps(self) -> float:
        """Frames per second of the model."""
        return self.frames / self.seconds if self.seconds else math.nan


class Tally:
    """Costs, failures and invocations of the cells that it is shown."""

    def __init__(self, videos: Sequence[str]) -> None:
        self._videos = videos
        self.costs: dict[str, ModelCost] = {}
        """By model."""
        self.failures: dict[str, list[tuple[str, str, str]]] = {}
        """Model -> (condition label, video, error) of every unit that is not done."""
        self.invocations: dict[str, dict[str, int]] = {}
        """Model -> id of an invocation -> its finished units."""

    def take(self, place: Place, cell: Mapping[str, UnitRecord]) -> None:
        """The records of one cell: video -> record."""
        model, label = place
        cost, made = self.costs.setdefault(model, ModelCost()), self.invocations.setdefault(model, {})
        for video in self._videos:
            record = cell.get(video)
            if record is None or record.status != "ok":
                why = "not run" if record is None else record.error
                self.failures.setdefault(model, []).append((label, video, why))
                continue
            cost.frames += record.frames
            cost.seconds += record.seconds_model
            cost.made += record.seconds_frames
            cost.rss = max(record.peak_rss_mib, cost.rss)  # NaN gives way
            cost.gpu = max(record.peak_gpu_mib, cost.gpu)
            if record.warnings:
                cost.warnings.update(record.warnings)
            made[record.invocation] = made.get(record.invocation, 0) + 1
