"""The table of the data study: what finished rows score, how far seeds differ, and differences with intervals.

A difference from the baseline (same model) has two causes of error: the videos that were scored, and the seeds that the
weights came from. The first is the paired jackknife over videos of the product (`analysis/intervals.py`), of the means
over seeds; the second is the variance among seeds, pooled over all configurations of that model with two seeds or more.
Both variances are added, their degrees of freedom as Welch and Satterthwaite do. Where no configuration has two seeds,
intervals are those of the videos alone and are marked so: they are too narrow. A video stage is set against the same
number of further steps on stills, where that row is there; a row that only runs the baseline's weights in another way
against the baseline of the same seeds, where no variance of seeds comes in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.compare import find_results
from robust_vos_bench.analysis.intervals import LEVEL, Jackknife, standard_error, statistics
from robust_vos_bench.analysis.result import Result, joint_matrix
from robust_vos_bench.analysis.same import check_same
from robust_vos_bench.errors import DataError, unknown
from training.study_kept import curve_of, scores_of
from training.study_rows import BASELINE, SAME_WEIGHTS, SCORES, Row

ALONE = "*"
"""Marks an interval that knows nothing of seeds."""
SOUND = "sound reference"
SHORT = (
    ("held-out J", "J&F P", "J&F mPC, all frames damaged", f"J&F mPC, {SOUND}", f"J&F drop, {SOUND}"),
    tuple(f"J&F {family}, {SOUND}" for family in ("blur", "noise", "weather", "digital")),
)
"""The measures that are set side by side, table by table."""
LONGER = f"{BASELINE}.longer"
"""What a second stage is set against."""


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
    results: dict[str, Result] = field(default_factory=dict)
    """Of the runs that scored it, by the names of `SCORES`."""


@dataclass(frozen=True)
class Change:
    """A configuration minus the baseline, in points."""

    value: float
    low: float
    high: float
    seeds_known: bool


def table(folder: Path, chosen: Sequence[Row], short: bool = False, base: str = "") -> str:
    """Markdown: differences side by side, a table per measure, scores by video, names of rows that are not finished.

    short: the first of these alone. base: the configuration that all others are set against, instead of the usual.
    """
    found = {row.name: read(row, folder) for row in chosen}
    done = [f for f in found.values() if f is not None]
    for which in SCORES:
        if scored := [f.results[which] for f in done if which in f.results]:
            check_same(scored, "be put in one table")
    if base and base not in (known := {f.row.configuration for f in done}):
        raise unknown("configuration to set all others against", base, known)
    measures = list(dict.fromkeys(m for f in done for m in f.samples))
    parts = [_differences(done, chosen_measures, measures, base) for chosen_measures in SHORT] if done else []
    if short:
        return "\n\n".join(part for part in parts if part)
    parts += [_of_measure(measure, done, base) for measure in measures]
    shown = [(which, "mPC") for which in SCORES]
    parts += [_by_video(*which, done) for which in [(shown[0][0], "P"), *shown]]
    parts = [part for part in parts if part]
    if partly := [f.row.name for f in done if len(f.results) < len(scores_of(f.row, folder))]:
        parts.append(f"Scores that are not complete, and not in any table: {', '.join(partly)}.")
    if absent := [name for name, f in found.items() if f is None]:
        parts.append(f"Not finished, and not in any table: {', '.join(absent)}.")
    return "\n\n".join(parts) if parts else "Nothing is finished."


def read(row: Row, folder: Path) -> Finished | None:
    """A finished row: J of the last validation on held-out clips, and scores on videos where it was run; else None."""
    curve = curve_of(row, folder)
    if not curve:
        return None
    samples: dict[str, Sample] = {}
    last = next((r for r in reversed(curve) if "validation_j" in r), {})
    last = {} if row.after == SAME_WEIGHTS else last  # the baseline's, and not levelled
    for key, name in (("validation_j", "held-out J"), ("damaged_j", "held-out J, damaged"), ("video_j", "watched J")):
        if key in last:
            samples[name] = Sample(100 * last[key])
    results = {which: _result(source) for which, source in scores_of(row, folder).items()}
    results = {which: result for which, result in results.items() if result.complete}
    for which, result in results.items():
        samples |= _scored(result, which)
    return Finished(row, int(curve[-1]["step"]), samples, results)


def _result(source: Path) -> Result:
    results = find_results(source)
    if len(results) != 1:
        raise DataError(f"{source}: a run of one model was expected, it has {len(results)}")
    return results[0]


def _scored(result: Result, which: str) -> dict[str, Sample]:
    """P once; the mean under corruption, what it loses, and the mean of each family, for each way to damage frames."""
    jackknife = Jackknife(joint_matrix([result]))
    known = jackknife.statistics
    names = {"P": "P"} if which == next(iter(SCORES)) else {}
    names |= {f"{n}, {which}": n for n in ("mPC", "drop") if n in known}
    names |= {f"{n.partition(':')[2]}, {which}": n for n in known if n.startswith("family:")}
    return {
        f"J&F {label}": Sample(jackknife.value(0, known[n]), jackknife.left_out(0, known[n]))
        for label, n in names.items()
        if n in known
    }


def seed_deviation(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Pooled standard deviation among seeds, and its degrees of freedom (0: not known)."""
    squares = sum(float(np.square(np.array(g) - np.mean(g)).sum()) for g in groups if len(g) > 1)
    freedom = sum(len(g) - 1 for g in groups if len(g) > 1)
    return (math.sqrt(squares / freedom), freedom) if freedom else (math.nan, 0)


def change(ours: Sequence[Sample], base: Sequence[Sample], deviation: float, freedom: int) -> Change:
    """Mean over seeds of one configuration minus that of the baseline, with the interval of the module's text."""
    from scipy.special import stdtrit

    value = float(np.mean([s.value for s in ours]) - np.mean([s.value for s in base]))
    parts: list[tuple[float, int]] = []  # variances and their degrees of freedom
    if len(ours[0].left_out) > 1:
        without = np.mean([s.left_out for s in ours], 0) - np.mean([s.left_out for s in base], 0)
        parts = [(standard_error(without) ** 2, len(without) - 1)]
    if freedom:
        parts.append((deviation**2 * (1 / len(ours) + 1 / len(base)), freedom))
    if not parts:
        return Change(value, math.nan, math.nan, False)
    variance = sum(v for v, _ in parts)
    uncertain = sum(v**2 / n for v, n in parts)
    effective = variance**2 / uncertain if uncertain else min(n for _, n in parts)
    reach = float(stdtrit(effective, (1 + LEVEL) / 2)) * math.sqrt(variance)
    return Change(value, value - reach, value + reach, bool(freedom))


def _differences(done: Sequence[Finished], shown: Sequence[str], known: Sequence[str], base: str) -> str:
    """A row per configuration, a column per measure: value of the baseline, differences of the others; seeds below."""
    measures = [measure for measure in shown if measure in known]
    if not measures:
        return ""
    lines = [f"| model | configuration | seeds | {' | '.join(measures)} |", "|---|---|---|" + "---|" * len(measures)]
    made = [_rows(measure, done, base) for measure in measures]
    columns = [{(r[0], r[1]): (r[4], r[6]) for r in found} for found, _ in made]
    rows = [(f.row.model, f.row.configuration) for f in done]
    for model, name in dict.fromkeys(rows):
        cells = [column.get((model, name), ("", "")) for column in columns]
        shown_cells = " | ".join(change or value for value, change in cells)
        lines.append(f"| {model} | {name} | {rows.count((model, name))} | {shown_cells} |")
    notes = [f"{measure}: {note}" for measure, (_, found) in zip(measures, made) for note in found]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) if notes else "\n".join(lines)


def _by_video(which: str, statistic: str, done: Sequence[Finished]) -> str:
    """J&F of every video, means over seeds; empty where nothing was scored."""
    values: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    videos: tuple[str, ...] = ()
    for f in done:
        if which in f.results:
            matrix = joint_matrix([f.results[which]])
            videos = matrix.videos
            by_video = matrix.by_video(statistics(matrix)[statistic])[0]
            values.setdefault((f.row.model, f.row.configuration), []).append(by_video)
    if not values:
        return ""
    lines = [f"**J&F {statistic} by video, {which}**", "", f"| model | configuration | {' | '.join(videos)} |"]
    lines.append("|---|---|" + "---|" * len(videos))
    for (model, name), found in values.items():
        lines.append(f"| {model} | {name} | {' | '.join(f'{v:.1f}' for v in np.mean(found, 0))} |")
    return "\n".join(lines)


def _of_measure(measure: str, done: Sequence[Finished], base: str) -> str:
    lines = [
        f"**{measure}**, points",
        "",
        f"| model | configuration | seeds | steps | mean | sd of seeds | minus {base or 'baseline'}, 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    found, notes = _rows(measure, done, base)
    lines += [f"| {' | '.join(row)} |" for row in found]
    return "\n".join(lines + [f"\n{note}" for note in notes])


def _rows(measure: str, done: Sequence[Finished], base: str) -> tuple[list[tuple[str, ...]], list[str]]:
    """Cells of the table of one measure, and what is to be said below it."""
    found: list[tuple[str, ...]] = []
    notes: list[str] = []
    having = [f for f in done if measure in f.samples]
    for model in dict.fromkeys(f.row.model for f in having):
        groups: dict[str, list[Finished]] = {}
        for f in having:
            if f.row.model == model:
                groups.setdefault(f.row.configuration, []).append(f)
        values = {name: [f.samples[measure].value for f in group] for name, group in groups.items()}
        own_weights = [name for name, group in groups.items() if group[0].row.after != SAME_WEIGHTS]
        deviation, freedom = seed_deviation([values[name] for name in own_weights])
        for name, group in groups.items():
            own, free = seed_deviation([values[name]])
            usual = LONGER if group[0].row.recipe == "video" and LONGER in groups else BASELINE
            against = base or usual
            text = "" if name == against else "no baseline"
            if against in groups and name != against:
                seeds = {f.row.seed for f in group}
                same = group[0].row.after == SAME_WEIGHTS and against == BASELINE
                of_seeds = (math.nan, 0) if same else (deviation, freedom)
                beside = [f for f in groups[against] if not same or f.row.seed in seeds]
                other = [f.samples[measure] for f in beside]
                made = change([f.samples[measure] for f in group], other, *of_seeds)
                interval = "unknown" if math.isnan(made.low) else f"{made.low:+.1f} to {made.high:+.1f}"
                alone = not made.seeds_known and not math.isnan(made.low) and not same
                of = f", of {against}" if against != (base or BASELINE) else ""
                text = f"{made.value:+.1f} ({interval}){of}{ALONE * alone}"
                if alone and not notes:
                    notes.append(f"{ALONE} Of the videos alone; seeds add to it.")
            steps = "/".join(dict.fromkeys(str(f.steps) for f in group))
            spread = f"{own:.2f}" if free else ""
            found.append((model, name, str(len(group)), steps, f"{np.mean(values[name]):.1f}", spread, text))
        if freedom:
            notes.append(f"{model}: pooled sd of seeds {deviation:.2f}, {freedom} degrees of freedom.")
    return found, notes
