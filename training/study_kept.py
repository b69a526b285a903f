"""Where finished rows lie: in the folder of a study, or kept as curve and packed scores, enough for every table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robust_vos_bench.errors import IncompleteError
from robust_vos_bench.reports.pack import pack_result
from training.flat import is_flat
from training.state import State, load
from training.study_rows import SCORES, Row
from training.train import read_curve, write_curve

Curve = list[dict[str, float]]


def state_of(row: Row, folder: Path) -> State | None:
    """The state of a row, if it has begun."""
    file = folder / row.name / "state.pt"
    return load(file) if file.is_file() else None


def finished(row: Row, state: State) -> bool:
    """Whether all of its steps are made, or its curve is flat."""
    return state.step >= row.steps or (row.until_flat is not None and is_flat(state.curve, row.until_flat))


def keep(chosen: Sequence[Row], folder: Path, to: Path) -> list[str]:
    """Write the curve of every finished row as CSV and its complete scores as packed results; returns what was done."""
    to.mkdir(parents=True, exist_ok=True)
    kept = []
    for row in chosen:
        state = state_of(row, folder)
        if state is None or not finished(row, state):
            continue
        write_curve(state.curve, to / f"{row.name}.csv")
        for name in SCORES.values():
            if (folder / row.name / name / "run.json").is_file():
                try:
                    pack_result(folder / row.name / name, output=to / f"{row.name}.{name}.json.gz")
                except IncompleteError:
                    kept.append(f"{row.name}: {name} are not complete, and not kept; run `score` again")
        kept.append(row.name)
    return kept


def curve_of(row: Row, folder: Path) -> Curve | None:
    """The curve of a finished row, of its state or as it was kept; None for one that is not finished."""
    state, kept = state_of(row, folder), folder / f"{row.name}.csv"
    if state is not None:
        return list(state.curve) if finished(row, state) else None
    if not kept.is_file():
        return None
    return read_curve(kept)


def scores_of(row: Row, folder: Path) -> dict[str, Path]:
    """The runs or packed results that score it, by the names of `SCORES`."""
    found = {}
    for which, name in SCORES.items():
        kept = folder / f"{row.name}.{name}.json.gz"
        if (folder / row.name / name / "run.json").is_file():
            found[which] = folder / row.name / name
        elif kept.is_file():
            found[which] = kept
    return found
