"""Train the rows of a study one after the other, and score them; both go on where they were stopped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from robust_vos_bench.errors import DataError
from training import train
from training.export import export
from training.study_kept import finished, state_of
from training.study_rows import BASELINE, Row

SHARED = "shared.pt"
"""The state of a row of the recipe `plain` where `corrupted` begins to differ from it."""


def run(chosen: Sequence[Row], folder: Path, more: Sequence[str], say: Callable[[str], None]) -> int:
    """Train and export what is not finished, in order; returns 3 where a training stopped early."""
    for number, row in enumerate(chosen, 1):
        state = state_of(row, folder)
        if state is None or not finished(row, state):
            say(f"row {number} of {len(chosen)}: {row.name}")
            code = _trained(row, folder, more)
            state = state_of(row, folder)
            if code or state is None or not finished(row, state):
                return code or 3
        if not (folder / row.weights).is_file():
            export(state, folder / row.name, folder / row.name)
    return 0


def score(chosen: Sequence[Row], folder: Path, data_root: str, more: Sequence[str], say: Callable[[str], None]) -> int:
    """Score the rows that are exported, with the product's own command.

    Returns its first exit code that is not 0, or 3 where no row has weights.
    """
    having = [row for row in chosen if (folder / row.weights).is_file()]
    for row in chosen:
        if row not in having:
            say(f"{row.name}: no weights yet, not scored")
    if not having:
        return 3
    for row in having:
        for flags in row.scoring(folder, data_root):
            if code := subprocess.call([sys.executable, "-m", "robust_vos_bench", *flags, *more]):
                return code
    return 0


def _trained(row: Row, folder: Path, more: Sequence[str]) -> int:
    """Train one row, from what it shares with another where that is at hand."""
    state, first = folder / row.name / "state.pt", row.first
    arguments = row.arguments(folder, more)
    if row.recipe == BASELINE and not row.after and row.budget.shared < row.steps:
        kept = folder / row.name / SHARED
        if not kept.is_file() and ((begun := state_of(row, folder)) is None or begun.step <= row.budget.shared):
            code = train.main(row.arguments(folder, more, row.budget.shared))
            begun = state_of(row, folder)
            if code or begun is None or begun.step < row.budget.shared:
                return code or 3
            _copy(state, kept)
    elif row.recipe == "corrupted":
        if first is not None and (folder / first.name / SHARED).is_file():
            arguments += ["--branch", str(folder / first.name / SHARED)]
    elif first is not None and not state.is_file():
        if not (folder / first.weights).is_file():
            raise DataError(f"{row.name} goes on from {first.name}, which is not finished: run --groups baseline first")
        if row.after:
            _copy(folder / first.name / "state.pt", state)
    return train.main(arguments)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".copied")
    shutil.copyfile(source, partial)
    partial.replace(target)
