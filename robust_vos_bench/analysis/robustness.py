"""One model's robustness beyond the mean, from its scores and facts. Definitions: docs/metrics.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.measures import severity_area, worst_corruption, worst_severity
from robust_vos_bench.analysis.object_stats import ObjectStats
from robust_vos_bench.analysis.stability import moves_pixels
from robust_vos_bench.analysis.summary import Summary, mean


@dataclass(frozen=True)
class AfterBurst:
    """Recovery of one model, over all objects of all burst cells with scored frames before and after the burst."""

    objects: int
    """How many those are; an object counts once a cell."""
    before: float
    """Mean J in points."""
    during: float
    after: float
    clean: float
    """Mean J of the clean run over the frames after the burst."""
    ratio: float
    """100 after / clean: 100 is a full recovery."""
    back: float
    """Share of the objects, in percent, whose J comes back to 90 % of the clean run's."""
    frames: float
    """Median number of frames that those take."""


@dataclass(frozen=True)
class Robustness:
    """Points or percent (0..100); NaN where cells or what it needs are missing."""

    area: float
    worst_corruption: str
    worst_corruption_score: float
    worst_severity: int
    worst_severity_score: float
    lost: float
    """Share of objects lost under corruption, averaged as mPC is."""
    lost_clean: float
    """The same share in the clean cell."""
    stability: float
    """Mean IoU with the clean run's masks, averaged as mPC is."""
    burst: AfterBurst | None
    """None where no cell has the severity profile "burst"."""


def beyond(
    matrix: ScoreMatrix, summary: Summary, facts: Sequence[ObjectStats], conditions: Sequence[Mapping[str, Any]]
) -> Robustness:
    """Summarise one model. conditions: the manifest's entries of the run's columns."""
    corrupted = [c for c in matrix.conditions if not c.is_clean]
    complete = {c.label for c in matrix.conditions if (summary.model, c.label) not in matrix.missing_videos}
    by_cell: dict[str, list[ObjectStats]] = {}
    for fact in facts:
        by_cell.setdefault(fact.condition, []).append(fact)

    def cell(label: str, value: Callable[[ObjectStats], float]) -> float:
        known = [value(f) for f in by_cell.get(label, ())]
        return 100 * mean(known) if label in complete else math.nan

    def over_cells(value: Callable[[ObjectStats], float], labels: set[str]) -> float:
        names = dict.fromkeys(c.corruption for c in corrupted if c.label in labels)
        return mean(mean(cell(c.label, value) for c in corrupted if c.corruption == name) for name in names)

    levels = [(c.corruption, c.severity, c.label) for c in corrupted]
    clean = next((c.label for c in matrix.conditions if c.is_clean), "")
    # Where pixels move, masks move as well: such cells have no stability and do not take it from the others.
    still = {c.label for c in corrupted if not moves_pixels(c.corruption)}
    worst, level = worst_corruption(summary), worst_severity(summary)
    return Robustness(
        area=severity_area(summary, levels) if levels else math.nan,
        worst_corruption=worst[0],
        worst_corruption_score=worst[1],
        worst_severity=level[0],
        worst_severity_score=level[1],
        lost=over_cells(lambda f: float(f.lost), {c.label for c in corrupted}),
        lost_clean=cell(clean, lambda f: float(f.lost)),
        stability=over_cells(lambda f: math.nan if f.stability is None else f.stability, still),
        burst=_after_burst([c["label"] for c in conditions if c.get("profile") == "burst"], by_cell, complete),
    )


def _after_burst(
    labels: Sequence[str], by_cell: Mapping[str, Sequence[ObjectStats]], complete: set[str]
) -> AfterBurst | None:
    if not labels:
        return None
    found = [f.recovery for label in labels for f in by_cell.get(label, ()) if f.recovery is not None]
    if not found or not complete.issuperset(labels):
        return AfterBurst(len(found), *(math.nan,) * 7)
    before, during, after, clean = (
        100 * float(np.mean([getattr(r, k) for r in found])) for k in ("before", "during", "after", "clean")
    )
    frames = [r.frames for r in found if r.frames is not None]
    return AfterBurst(
        objects=len(found),
        before=before,
        during=during,
        after=after,
        clean=clean,
        ratio=100 * after / clean if clean else math.nan,
        back=100 * len(frames) / len(found),
        frames=float(np.median(frames)) if frames else math.nan,
    )


def plain(value: Any) -> Any:
    """Data for JSON: missing is null, four decimals, keys are text."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value
