"""Formulas of the robustness measures, for one model or one object. Definitions: docs/metrics.md."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.summary import Summary, mean

LOST = 0.1
"""An object is lost from the first frame after which its J never reaches this value again."""
RECOVERED = 0.9
"""An object has recovered when its J reaches this share of the clean run's J in the same frame."""


def severity_area(summary: Summary, severities: Sequence[tuple[str, int, str]]) -> float:
    """Area under the severity curve, in points: clean counts as severity 0, the axis is scaled to 0..1.

    severities: (corruption, severity, condition label) of every corrupted condition. Mean over corruptions; NaN where
    a cell is missing or there is no clean score.
    """
    areas = []
    for name in dict.fromkeys(c for c, _, _ in severities):
        points = sorted((s, summary.cells[label]) for c, s, label in severities if c == name)
        x = np.array([0.0, *(s for s, _ in points)])
        y = np.array([summary.p, *(v for _, v in points)])
        areas.append(float(np.trapezoid(y, x) / x[-1]) if x[-1] else math.nan)
    return mean(areas)


def worst_corruption(summary: Summary) -> tuple[str, float]:
    """The corruption with the lowest mean over its severities; ("", NaN) where any is missing."""
    if not summary.corruptions or any(math.isnan(v) for v in summary.corruptions.values()):
        return "", math.nan
    name = min(summary.corruptions, key=lambda c: summary.corruptions[c])
    return name, summary.corruptions[name]


def worst_severity(summary: Summary) -> tuple[int, float]:
    """The severity with the lowest mean over corruptions; (0, NaN) where any is missing."""
    if not summary.severities or any(math.isnan(v) for v in summary.severities.values()):
        return 0, math.nan
    level = min(summary.severities, key=lambda s: summary.severities[s])
    return level, summary.severities[level]


def lost_at(j: Sequence[float]) -> int | None:
    """Index of the first scored frame from which J stays below `LOST` to the end; None where the object is not lost."""
    if not len(j) or not j[-1] < LOST:
        return None
    below = np.asarray(j, float) < LOST
    kept = np.flatnonzero(~below)
    return int(kept[-1]) + 1 if kept.size else 0


@dataclass(frozen=True)
class Recovery:
    """What a burst of corruption leaves behind, for one object; mean J in 0..1."""

    before: float
    """Before the burst."""
    during: float
    after: float
    """After the burst, to the end."""
    clean: float
    """The clean run over the same frames as `after`: what the object would have had without a burst."""
    frames: int | None
    """Frames after the burst until J reaches 90 % of the clean run's; None where it never does."""

    @property
    def ratio(self) -> float:
        """after / clean: 1 is a full recovery; NaN where the clean run has lost the object as well."""
        return self.after / self.clean if self.clean else math.nan


def recovery(j: Sequence[float], clean: Sequence[float], start: int, end: int) -> Recovery:
    """Recovery of one object from a burst in frames start..end-1 (indices into `j`).

    clean: J of the same object and frames in the clean run. J before the burst would be the wrong reference: it would
    blame the burst for what the object also loses in the clean video. Raises ValueError unless frames are left on both
    sides.
    """
    values, unharmed = np.asarray(j, float), np.asarray(clean, float)
    if not 0 < start < end < values.size:
        raise ValueError(f"a burst of frames {start}..{end - 1} leaves nothing before or after it in {values.size}")
    if unharmed.size != values.size:
        raise ValueError(f"{values.size} frames under corruption, but {unharmed.size} clean ones")
    after, meant = values[end:], unharmed[end:]
    back = np.flatnonzero(after >= RECOVERED * meant)
    return Recovery(
        before=float(values[:start].mean()),
        during=float(values[start:end].mean()),
        after=float(after.mean()),
        clean=float(meant.mean()),
        frames=int(back[0]) if back.size else None,
    )


def stability(
    masks: Iterable[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]], scored: Mapping[int, Container[int]]
) -> dict[int, float]:
    """Object id -> mean IoU between the mask under corruption and the clean run's mask of the same frame.

    masks: (frame, corrupted-run mask, clean-run mask). scored: the frames that count for each object, its scored ones.
    Frames where both are empty count as 1. High stability with a low J means that the model is wrong in the same way
    on both. NaN for an object with no such frame.
    """
    values: dict[int, list[float]] = {i: [] for i in scored}
    for t, corrupted, clean in masks:
        wanted = [i for i, frames in scored.items() if t in frames]
        if np.array_equal(corrupted, clean):
            for i in wanted:
                values[i].append(1.0)
            continue
        for i in wanted:
            values[i].append(_iou(corrupted == i, clean == i))
    return {i: float(np.mean(found)) if found else math.nan for i, found in values.items()}


def stability_without_truth(masks: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> dict[int, float]:
    """`stability` where no truth says which frames count: those after the first one whose clean mask shows the object.

    masks: (corrupted-run mask, clean-run mask) of every frame in order. Objects are those of the clean run's masks.
    """
    values: dict[int, list[float]] = {}
    for corrupted, clean in masks:
        same = np.array_equal(corrupted, clean)
        for i, found in values.items():
            found.append(1.0 if same else _iou(corrupted == i, clean == i))
        for shown in np.flatnonzero(np.bincount(clean.ravel(), minlength=256)[:255]):
            if shown:
                values.setdefault(int(shown), [])
    return {i: float(np.mean(found)) if found else math.nan for i, found in values.items()}


def _iou(here: NDArray[np.bool_], there: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(here | there)
    return np.count_nonzero(here & there) / union if union else 1.0
