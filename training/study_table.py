"""The table of the data study: what finished rows score, how far seeds differ, and differences with intervals.

A difference from the baseline (same model) has two causes of error: the videos that were scored, and the seeds that the
weights came from. The first is the paired jackknife over videos of the product (`analysis/intervals.py`), of the means
over seeds; the second is the variance among seeds, pooled over all configurations of that model with two seeds or more.
Both variances are added. Where no configuration has two seeds, intervals are those of the videos alone and are marked
so: they are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.compare import find_results
from robust_vos_bench.analysis.intervals import LEVEL, Jackknife, standard_error
from robust_vos_bench.analysis.result import Result, joint_matrix
from robust_vos_bench.analysis.same import check_same
from robust_vos_bench.errors import DataError
from training.flat import is_flat
from training.state import State, load
from training.study_rows import BASELINE, Row

ALONE = "*"
"""Marks an interval that knows nothing of seeds."""


@dataclass(frozen=True)
class Sample:
    """One measure of one finished row, in points."""

    value: float
    left_out: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """The same without each video; empty for measures that are not of videos."""


@dataclass(frozen=True)
class Finished:
    """A row that is finished, with what is known of it."""

    row: Row
    steps: int
    samples: dict[str, Sample]
    result: Result | None = None
    """Of the run that scored it."""


@dataclass(frozen=True)
class Change:
    """A configuration minus the baseline, in points."""

    value: float
    low: float
    high: float
    seeds_known: bool


def table(folder: Path, chosen: Sequence[Row]) -> str:
    """Markdown: a table for each measure. Rows that are not finished are named below."""
    found = {row.name: read(row, folder) for row in chosen}
    done = [f for f in found.values() if f is not None]
    if scored := [f.result for f in done if f.result is not None]:
        check_same(scored, "be put in one table")
    parts = [_of_measure(measure, done) for measure in dict.fromkeys(m for f in done for m in f.samples)]
    if absent := [name for name, f in found.items() if f is None]:
        parts.append(f"Not finished, and not in any table: {', '.join(absent)}.")
    return "\n\n".join(parts) if parts else "Nothing is finished."


def state_of(row: Row, folder: Path) -> State | None:
    """The state of a row, if it has begun."""
    file = folder / row.name / "state.pt"
    return load(file) if file.is_file() else None


def finished(row: Row, state: State) -> bool:
    """Whether all of its steps are made, or its curve is flat."""
    return state.step >= row.steps or (row.until_flat is not None and is_flat(state.curve, row.until_flat))


def read(row: Row, folder: Path) -> Finished | None:
    """A finished row: J of the last validation on held-out clips, and scores on videos where it was run; else None."""
    state = state_of(row, folder)
    if state is None or not finished(row, state):
        return None
    samples: dict[str, Sample] = {}
    result = None
    last = next((r for r in reversed(state.curve) if "validation_j" in r), {})
    for key, name in (("validation_j", "held-out J"), ("damaged_j", "held-out J, damaged"), ("video_j", "watched J")):
        if key in last:
            samples[name] = Sample(100 * last[key])
    scores = folder / row.name / "scores"
    if (scores / "run.json").is_file():
        result = _result(scores)
        samples |= _scored(result)
    return Finished(row, state.step, samples, result)


def _result(folder: Path) -> Result:
    results = find_results(folder)
    if len(results) != 1:
        raise DataError(f"{folder}: a run of one model was expected, it has {len(results)}")
    result = results[0]
    if not result.complete:
        raise DataError(f"{folder}: the run is not complete; run its command again (`list --commands`)")
    return result


def _scored(result: Result) -> dict[str, Sample]:
    jackknife = Jackknife(joint_matrix([result]))
    known = jackknife.statistics
    names = [n for n in ("P", "mPC", "drop") if n in known]
    return {f"J&F {n}": Sample(jackknife.value(0, known[n]), jackknife.left_out(0, known[n])) for n in names}


def seed_deviation(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Pooled standard deviation among seeds, and its degrees of freedom (0: not known)."""
    squares = sum(float(np.square(np.array(g) - np.mean(g)).sum()) for g in groups if len(g) > 1)
    freedom = sum(len(g) - 1 for g in groups if len(g) > 1)
    return (math.sqrt(squares / freedom), freedom) if freedom else (math.nan, 0)


def change(ours: Sequence[Sample], base: Sequence[Sample], deviation: float, freedom: int) -> Change:
    """Mean over seeds of one configuration minus that of the baseline, with the interval of the module's text."""
    from scipy.special import stdtrit

    value = float(np.mean([s.value for s in ours]) - np.mean([s.value for s in base]))
    variance, freedoms = 0.0, []
    if len(ours[0].left_out) > 1:
        without = np.mean([s.left_out for s in ours], 0) - np.mean([s.left_out for s in base], 0)
        variance, freedoms = standard_error(without) ** 2, [len(without) - 1]
    if freedom:
        variance += deviation**2 * (1 / len(ours) + 1 / len(base))
        freedoms.append(freedom)
    if not freedoms:
        return Change(value, math.nan, math.nan, False)
    reach = float(stdtrit(min(freedoms), (1 + LEVEL) / 2)) * math.sqrt(variance)
    return Change(value, value - reach, value + reach, bool(freedom))


def _of_measure(measure: str, done: Sequence[Finished]) -> str:
    lines = [
        f"**{measure}**, points",
        "",
        "| model | configuration | seeds | steps | mean | sd of seeds | minus baseline, 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    notes = ""
    having = [f for f in done if measure in f.samples]
    for model in dict.fromkeys(f.row.model for f in having):
        groups: dict[str, list[Finished]] = {}
        for f in having:
            if f.row.model == model:
                groups.setdefault(f.row.configuration, []).append(f)
        values = {name: [f.samples[measure].value for f in group] for name, group in groups.items()}
        deviation, freedom = seed_deviation(list(values.values()))
        base = [f.samples[measure] for f in groups.get(BASELINE, [])]
        for name, group in groups.items():
            own, free = seed_deviation([values[name]])
            text = "" if name == BASELINE else "no baseline"
            if base and name != BASELINE:
                found = change([f.samples[measure] for f in group], base, deviation, freedom)
                interval = "unknown" if math.isnan(found.low) else f"{found.low:+.1f} to {found.high:+.1f}"
                mark = "" if found.seeds_known or math.isnan(found.low) else ALONE
                text = f"{found.value:+.1f} ({interval}){mark}"
            steps = "/".join(dict.fromkeys(str(f.steps) for f in group))
            spread = f"{own:.2f}" if free else ""
            row = (model, name, str(len(group)), steps, f"{np.mean(values[name]):.1f}", spread, text)
            lines.append(f"| {' | '.join(row)} |")
            notes = notes or (f"\n\n{ALONE} Of the videos alone; seeds add to it." if text.endswith(ALONE) else "")
        if freedom:
            notes += f"\n\n{model}: pooled sd of seeds {deviation:.2f}, {freedom} degrees of freedom."
    return "\n".join(lines) + notes
