"""What severity does: scores per family and severity, and the drop per corruption and severity, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.intervals import Interval, condition_weights
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.runs.store import safe_name


@dataclass(frozen=True)
class Curve:
    """Mean J&F of one model over the severities of a family of corruptions, in points."""

    model: str
    severities: tuple[int, ...]
    """0 is clean, where the run has it."""
    points: tuple[Interval, ...]
    """Per severity, with its 95 % interval over videos; NaN where cells are missing."""
    level: str = "severity"
    """What `severities` count: "budget" of a threat of stored splits."""


@dataclass(frozen=True)
class DropMap:
    """Clean minus corrupted J&F of one model, in points: a row per corruption, a column per severity."""

    model: str
    corruptions: tuple[str, ...]
    families: tuple[str, ...]
    """Of each corruption."""
    severities: tuple[int, ...]
    drop: NDArray[np.float64]
    """NaN where cells are missing, and where the run has no such condition."""
    planned: NDArray[np.bool_]
    """Whether the run has the condition."""

    @property
    def means(self) -> list[float]:
        """Mean drop per corruption over its severities; NaN where one is missing."""
        rows = zip(self.drop, self.planned)
        return [float(values[there].mean()) if there.any() else math.nan for values, there in rows]


def in_order(table: RobustnessTable) -> list[RobustnessRow]:
    """The models in the order of every table, legend and plot: by mPC, those with missing cells last."""
    return table.by_mpc()


def family_curves(table: RobustnessTable) -> dict[str, list[Curve]]:
    """Family, or threat of stored splits -> one curve per model, in the order of `in_order`."""
    conditions, jackknife = table.matrix.conditions, table.jackknife
    clean = [i for i, c in enumerate(conditions) if c.is_clean][:1]
    found: dict[str, list[Curve]] = {}
    for family in table.families:
        own = [i for i, c in enumerate(conditions) if c.family == family and not c.is_clean and not c.is_stored]
        levels = {0: clean} if clean else {}
        for level in sorted({conditions[i].severity for i in own}):
            levels[level] = [i for i in own if conditions[i].severity == level]
        weights = [condition_weights(table.matrix, chosen) for chosen in levels.values()]
        found[family] = [
            Curve(row.model, tuple(levels), tuple(jackknife.interval(row.index, w) for w in weights))
            for row in in_order(table)
        ]
    return found | _threat_curves(table, clean)


def _threat_curves(table: RobustnessTable, clean: list[int]) -> dict[str, list[Curve]]:
    """Threat ("linf-prompt") -> one curve per model over its budgets; noise, the baseline, is one of them.

    A model has the split that was made against it where there is one, else the one that hurts it most.
    """
    conditions = table.matrix.conditions
    stored = [i for i, c in enumerate(conditions) if c.is_stored]
    found: dict[str, list[Curve]] = {}
    for name in dict.fromkeys(conditions[i].corruption for i in stored):
        here = [i for i in stored if conditions[i].corruption == name]
        budgets = sorted({conditions[i].severity for i in here})
        found[name] = [_threat_curve(table, row, here, budgets, clean) for row in in_order(table)]
    return found


def _threat_curve(
    table: RobustnessTable, row: RobustnessRow, here: list[int], budgets: list[int], clean: list[int]
) -> Curve:
    conditions, cells = table.matrix.conditions, row.summary.cells
    chosen = clean[:]
    for budget in budgets:
        these = [i for i in here if conditions[i].severity == budget]
        own = [i for i in these if conditions[i].source == safe_name(row.model)]
        scores = {i: cells[conditions[i].label] for i in own or these}
        # Where one is missing the worst is not known, and the curve has a gap.
        chosen.append(min(scores, key=lambda i: (not math.isnan(scores[i]), scores[i])))
    weights = [condition_weights(table.matrix, [i]) for i in chosen]
    levels = (*[0 for _ in clean], *budgets)
    return Curve(row.model, levels, tuple(table.jackknife.interval(row.index, w) for w in weights), "budget")


def drop_map(table: RobustnessTable, row: RobustnessRow) -> DropMap:
    """The drops of one model."""
    corrupted = [c for c in table.matrix.conditions if not c.is_clean and not c.is_stored]
    family = {c.corruption: c.family for c in corrupted}
    names, severities = tuple(family), tuple(sorted({c.severity for c in corrupted}))
    cells: dict[tuple[str, int], list[float]] = {}
    for c in corrupted:
        cells.setdefault((c.corruption, c.severity), []).append(row.summary.p - row.summary.cells[c.label])
    drop = np.full((len(names), len(severities)), np.nan)
    for (name, severity), values in cells.items():
        drop[names.index(name), severities.index(severity)] = float(np.mean(values))
    planned = np.array([[(n, s) in cells for s in severities] for n in names], bool).reshape(drop.shape)
    return DropMap(row.model, names, tuple(family.values()), severities, drop, planned)


def mean_drop(maps: Sequence[DropMap]) -> DropMap | None:
    """The mean over models of what every one of them has; None without models."""
    if not maps:
        return None
    first = maps[0]
    drop = np.mean([m.drop for m in maps], axis=0)
    model = f"mean of {len(maps)} models"
    return DropMap(model, first.corruptions, first.families, first.severities, drop, first.planned)
