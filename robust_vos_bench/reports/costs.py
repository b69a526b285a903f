"""What failed or is missing in a run, and what its models cost."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.tally import ModelCost

SHOWN = 8
"""Conditions of a failure that are named."""


@dataclass(frozen=True)
class Failure:
    """Units of one model without scores, for one reason."""

    model: str
    why: str
    units: int
    where: str
    """Conditions, each with its videos."""


@dataclass(frozen=True)
class Cost:
    """Time and memory of one model over its finished units."""

    model: str
    of: ModelCost

    @property
    def warnings(self) -> list[str]:
        """What it warned of, each once."""
        return sorted(self.of.warnings)


def failures(run: Run) -> list[Failure]:
    """All units without scores, those of videos without truth included, by model and reason."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for model in (row.model for row in in_order(run.robustness)):
        for label, video, why in run.tally.failures.get(model, ()):
            found.setdefault((model, why), {}).setdefault(label, []).append(video)
    return [_failure(model, why, cells, len(run.manifest.videos)) for (model, why), cells in found.items()]


def _failure(model: str, why: str, cells: dict[str, list[str]], videos: int) -> Failure:
    words = [
        f"{label} (all videos)" if len(names) == videos else f"{label} ({', '.join(names)})"
        for label, names in itertools.islice(cells.items(), SHOWN)
    ]
    more = len(cells) - len(words)
    where = ", ".join(words) + (f" and {more} more conditions" if more else "")
    return Failure(model, why, sum(map(len, cells.values())), where)


def costs(run: Run) -> list[Cost]:
    """Per model, in the order of the tables."""
    models = [row.model for row in in_order(run.robustness)]
    return [Cost(model, run.tally.costs.get(model, ModelCost())) for model in models]
