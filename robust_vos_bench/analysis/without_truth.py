"""What can be said of videos without truth: how far masks under corruption are from those of the clean run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.stability import masks_move
from robust_vos_bench.analysis.summary import mean
from robust_vos_bench.analysis.table import RobustnessRow
from robust_vos_bench.analysis.words import plural

MEANING = (
    "stability: mean IoU of each object's masks with those of the same model on the clean video, in %. It says how "
    "much corruption changes the masks, not whether they are right."
)


def why_no_scores(matrix: ScoreMatrix) -> str:
    """One sentence on the videos that cannot be scored; "" where there are none."""
    names = matrix.unscored_videos
    if not names:
        return ""
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    which = f"{plural(len(names), 'video')} ({some})" if matrix.objects else some
    known = "Here first masks are all that is known, or no later frame shows an object"  # an empty mask is a truth, too
    return f"No J&F for {which}: J&F compares masks with true masks of later frames. {known}."


def by_corruption(matrix: ScoreMatrix, row: RobustnessRow) -> dict[str, dict[int, float]]:
    """Corruption -> severity -> stability in points; without corruptions that move pixels, where masks must differ."""
    found: dict[str, dict[int, float]] = {}
    for condition in matrix.conditions:
        if not condition.is_clean and not masks_move(condition):
            found.setdefault(condition.corruption, {})[condition.severity] = row.stability(condition.label)
    return found


def severities(tables: Sequence[dict[str, dict[int, float]]]) -> list[int]:
    """All severities of some tables, ascending."""
    return sorted({severity for table in tables for levels in table.values() for severity in levels})


def least_stable(matrix: ScoreMatrix, row: RobustnessRow) -> tuple[str, float] | None:
    """(label, stability) of the condition that changes a model's masks most; None where none is known."""
    known = {c.label: row.stability(c.label) for c in matrix.conditions if not c.is_clean and not masks_move(c)}
    known = {label: value for label, value in known.items() if not math.isnan(value)}
    label = min(known, key=lambda name: known[name], default="")
    return (label, known[label]) if label else None


def mean_of(levels: dict[int, float]) -> float:
    """Mean over the severities of a corruption."""
    return mean(levels.values())
