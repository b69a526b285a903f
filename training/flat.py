"""Whether a training has stopped to gain, told from its curve alone, so that a training in pieces stops alike."""

from __future__ import annotations

from collections.abc import Sequence

SPAN = 4
"""Validations that are compared with as many before them: one alone wavers by a point."""


def is_flat(curve: Sequence[dict[str, float]], points: float) -> bool:
    """Whether the mean held-out J of the last `SPAN` validations is less than `points` above that of those before.

    In the video stage J on the watched videos counts as well: both must be flat.
    """
    rows = [row for row in curve if "validation_j" in row][-2 * SPAN :]
    if len(rows) < 2 * SPAN:
        return False
    names = [name for name in ("validation_j", "video_j") if all(name in row for row in rows)]
    gains = [sum(r[n] for r in rows[SPAN:]) / SPAN - sum(r[n] for r in rows[:SPAN]) / SPAN for n in names]
    return all(100 * gain < points for gain in gains)
