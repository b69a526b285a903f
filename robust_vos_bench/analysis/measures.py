"""The measures of the robustness table. Definitions and formulas: docs/metrics.md.

A measure is declared once, here or with `register_measure`; every table, file and page shows it from its declaration.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from robust_vos_bench.analysis.formulas import Recovery, severity_area, worst_corruption, worst_severity
from robust_vos_bench.analysis.intervals import Interval, Jackknife
from robust_vos_bench.analysis.measure import FORMATS, Better, Group, Measure, ModelScores, Value, averaged
from robust_vos_bench.analysis.object_stats import ObjectStats
from robust_vos_bench.analysis.stability import masks_move
from robust_vos_bench.errors import UsageError

NOT_CSV = FORMATS - {"csv"}
"""For numbers that the CSV files of leaderboards do not have."""


def _lost(stats: ObjectStats) -> float:
    return float(stats.lost)


def _area(scores: ModelScores) -> float:
    levels = [(c.corruption, c.severity, c.label) for c in scores.corrupted]
    return severity_area(scores.summary, levels) if levels else math.nan


def _worst_corruption(scores: ModelScores) -> Value:
    name, number = worst_corruption(scores.summary)
    return Value(number, name)


def _worst_severity(scores: ModelScores) -> Value:
    level, number = worst_severity(scores.summary)
    return Value(number, level)


def _rpc_interval(jackknife: Jackknife, model: int) -> Interval | None:
    """Both without the same video; None in runs without clean or without corrupted conditions."""
    if not {"P", "mPC"} <= jackknife.statistics.keys():
        return None
    return jackknife.ratio(model, jackknife.statistics["mPC"], jackknife.statistics["P"])


def _after_burst(number: Callable[[list[Recovery]], float]) -> Callable[[ModelScores], float | None]:
    """A number of all recoveries of a model: None without bursts, NaN where a burst cell is missing."""

    def of(scores: ModelScores) -> float | None:
        if scores.recoveries is None:
            return None
        return number(scores.recoveries) if scores.bursts_complete else math.nan

    return of


def _mean_j(name: str) -> Callable[[list[Recovery]], float]:
    return lambda found: 100 * float(np.mean([getattr(r, name) for r in found]))


def _ratio(found: list[Recovery]) -> float:
    clean = _mean_j("clean")(found)
    return 100 * _mean_j("after")(found) / clean if clean else math.nan


def _frames(found: list[Recovery]) -> float:
    frames = [r.frames for r in found if r.frames is not None]
    return float(np.median(frames)) if frames else math.nan


def _burst(
    name: str, heading: str, number: Callable[[list[Recovery]], float], better: Better, high: float = 100
) -> Measure:
    return Measure(
        f"burst_{name}",
        _after_burst(number),
        better,
        0,
        high,
        group=Group.BURST,
        heading=heading,
        formats=NOT_CSV,
    )


def _of_protocol(key: str, names: tuple[str, ...], better: Better, legend: str, title: str) -> tuple[Measure, Measure]:
    """A number that the protocol of a data set's authors adds: under corruption, and in the clean cell."""

    def corrupted(scores: ModelScores) -> float | None:
        return scores.extra_over(names, scores.corrupted)

    def clean(scores: ModelScores) -> float | None:
        return scores.extra_over(names, [scores.clean] if scores.clean else [])

    shared = Measure(key, corrupted, better, 0, 100, heading=title, legend=legend, formats=NOT_CSV, needs=names)
    reference = Measure(
        f"{key}_clean", clean, better, 0, 100, heading=f"{title} clean", formats=NOT_CSV, reference_of=key, needs=names
    )
    return shared, reference


OF_PROTOCOLS = (
    *_of_protocol("j_tr", ("J_tr",), Better.HIGHER, "J_tr: mean J over the last quarter of the frames (VOST).", "J_tr"),
    *_of_protocol(
        "variation", ("V",), Better.LOWER, "V: how much (J + F) / 2 moves over a video's frames (LVOS).", "V"
    ),
    *_of_protocol(
        "disappeared",
        ("J_disappeared", "F_disappeared"),
        Better.HIGHER,
        "gone: (J + F) / 2 while the object is out of sight (MOSEv2).",
        "gone",
    ),
    *_of_protocol(
        "reappeared",
        ("J_reappeared", "F_reappeared"),
        Better.HIGHER,
        "back: (J + F) / 2 once it is in sight again (MOSEv2).",
        "back",
    ),
)
"""Numbers of `scoring.rules`, for runs over the data sets that have them."""

BUILT_IN = (
    Measure(
        "P",
        lambda m: m.summary.p,
        Better.HIGHER,
        0,
        100,
        group=Group.HEADLINE,
        heading="P (clean)",
        legend="P: clean.",
        weights="P",
        interval_formats=frozenset({"json"}),
    ),
    Measure(
        "mPC",
        lambda m: m.summary.mpc,
        Better.HIGHER,
        0,
        100,
        group=Group.HEADLINE,
        legend="mPC: mean over severities, then over corruptions.",
        weights="mPC",
        interval_formats=frozenset({"markdown", "html", "csv", "json"}),
        strong=True,
    ),
    Measure(
        "rPC",
        lambda m: m.summary.rpc,
        Better.HIGHER,
        0,
        math.inf,
        group=Group.HEADLINE,
        legend="rPC = mPC / P in percent.",
        interval=_rpc_interval,
        interval_formats=frozenset({"json"}),
    ),
    Measure(
        "drop",
        lambda m: m.summary.drop,
        Better.LOWER,
        -100,
        100,
        group=Group.HEADLINE,
        legend="drop = P - mPC.",
        weights="drop",
    ),
    Measure(
        "area",
        _area,
        Better.HIGHER,
        0,
        100,
        legend="area: under the severity curve.",
    ),
    Measure(
        "worst_corruption_score",
        _worst_corruption,
        Better.HIGHER,
        0,
        100,
        heading="worst corruption",
        where_key="worst_corruption",
        formats=NOT_CSV,
    ),
    Measure(
        "worst_severity_score",
        _worst_severity,
        Better.HIGHER,
        0,
        100,
        heading="worst severity",
        where_key="worst_severity",
        formats=NOT_CSV,
    ),
    Measure(
        "lost",
        lambda m: m.mean_over(m.corrupted, _lost),
        Better.LOWER,
        0,
        100,
        heading="lost %",
        legend="lost: share of objects whose J stays below 0.1 to the end.",
    ),
    Measure(
        "lost_clean",
        lambda m: m.cell_mean(m.clean.label if m.clean else "", _lost),
        Better.LOWER,
        0,
        100,
        heading="lost clean %",
        formats=NOT_CSV,
        reference_of="lost",
    ),
    Measure(
        "stability",
        # Where pixels move, masks move as well: such cells have no stability and do not take it from the others.
        lambda m: averaged((c for c in m.corrupted if not masks_move(c)), m.stability),
        Better.HIGHER,
        0,
        100,
        legend="stability: mean IoU with the clean run's masks, where they were saved.",
    ),
    Measure(
        "worst",
        lambda m: Value(m.summary.worst, m.summary.worst_label),
        Better.HIGHER,
        0,
        100,
        group=Group.HEADLINE,
        where_key="worst_condition",
        formats=NOT_CSV,
    ),
    Measure(
        "burst_objects",
        lambda m: None if m.recoveries is None else len(m.recoveries),
        Better.NEITHER,
        0,
        math.inf,
        group=Group.BURST,
        heading="objects",
        formats=NOT_CSV,
    ),
    _burst("before", "J before", _mean_j("before"), Better.NEITHER),
    _burst("during", "in the burst", _mean_j("during"), Better.HIGHER),
    _burst("after", "after", _mean_j("after"), Better.HIGHER),
    _burst("clean", "clean run after", _mean_j("clean"), Better.NEITHER),
    _burst("ratio", "recovery %", _ratio, Better.HIGHER, math.inf),
    _burst("back", "back %", lambda found: 100 * sum(r.frames is not None for r in found) / len(found), Better.HIGHER),
    _burst("frames", "frames", _frames, Better.LOWER, math.inf),
    *OF_PROTOCOLS,
)

_registered: dict[str, Measure] = {}


def register_measure(measure: Measure) -> Measure:
    """Add a measure to every table that is made from now on. Raises UsageError where its key is taken.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> from robust_vos_bench.analysis.measure import Better
    >>> half = rvos.Measure("half", lambda scores: scores["P"] / 2, better=Better.HIGHER, low=0, high=50)
    >>> rvos.register_measure(half).key
    'half'
    """
    taken = {key for known in measures() for key in (known.key, known.where_key)}
    if measure.key in taken or (measure.where_key and measure.where_key in taken):
        raise UsageError(f"there is a measure {measure.key!r} already; give yours another key")
    _registered[measure.key] = measure
    return measure


def measures() -> tuple[Measure, ...]:
    """All measures: the built-in ones, then those that were registered."""
    return (*BUILT_IN, *_registered.values())
