"""Constructed cases with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robust_vos_bench.analysis.formulas import (
    lost_at,
    recovery,
    severity_area,
    stability,
    worst_corruption,
    worst_severity,
)
from robust_vos_bench.analysis.intervals import Jackknife
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.order import order_consistency
from robust_vos_bench.analysis.summary import Summary
from robust_vos_bench.runs.records import ConditionRecord


def summary(**fields: object) -> Summary:
    base = {"model": "m", "p": 80.0, "mpc": 50.0, "rpc": 62.5, "drop": 30.0, "worst": 20.0, "worst_label": "fog-5"}
    return Summary(**{**base, **fields})  # type: ignore[arg-type]


def test_area_under_a_straight_line_is_its_middle() -> None:
    levels = [("fog", s, f"fog-{s}") for s in (1, 2, 3, 4, 5)]
    line = summary(cells={f"fog-{s}": 80.0 - 10 * s for s in (1, 2, 3, 4, 5)})
    assert severity_area(line, levels) == pytest.approx(55.0)


def test_area_weighs_uneven_severities_by_their_distance() -> None:
    uneven = summary(p=100.0, cells={"fog-1": 100.0, "fog-5": 0.0})
    assert severity_area(uneven, [("fog", 1, "fog-1"), ("fog", 5, "fog-5")]) == pytest.approx((100 + 4 * 50) / 5)
    assert math.isnan(severity_area(summary(cells={"fog-1": math.nan}), [("fog", 1, "fog-1")]))


def test_worst_cases() -> None:
    s = summary(corruptions={"fog": 40.0, "noise": 30.0}, severities={1: 60.0, 5: 10.0})
    assert worst_corruption(s) == ("noise", 30.0)
    assert worst_severity(s) == (5, 10.0)
    assert worst_corruption(summary(corruptions={"fog": math.nan, "noise": 3.0}))[0] == ""


@pytest.mark.parametrize(
    ("j", "frame"),
    [
        ([0.9, 0.8, 0.05, 0.0, 0.09], 2),
        ([0.9, 0.05, 0.5, 0.0], 3),  # it came back once
        ([0.0, 0.0], 0),
        ([0.9, 0.0, 0.1], None),  # exactly 0.1 is not below
        ([], None),
    ],
)
def test_when_an_object_is_lost(j: list[float], frame: int | None) -> None:
    assert lost_at(j) == frame


def test_recovery_from_a_burst() -> None:
    clean = [0.8, 0.8, 0.8, 0.8, 0.5, 0.5, 0.5]
    back = recovery([0.8, 0.8, 0.1, 0.1, 0.3, 0.45, 0.5], clean, start=2, end=4)
    assert back.before == pytest.approx(0.8) and back.during == pytest.approx(0.1)
    # Measured against the clean run, which loses 0.3 at the same time: 0.45 is 90 % of its 0.5.
    assert back.frames == 1 and back.ratio == pytest.approx((0.3 + 0.45 + 0.5) / 1.5)
    assert recovery([0.8, 0.1, 0.1, 0.2], [0.8] * 4, start=1, end=3).frames is None
    assert recovery([0.8, 0.1, 0.8, 0.8], [0.8] * 4, start=1, end=2).frames == 0
    with pytest.raises(ValueError, match="leaves nothing"):
        recovery([0.8, 0.1], [0.8, 0.8], start=1, end=2)
    with pytest.raises(ValueError, match="3 clean ones"):
        recovery([0.8, 0.1, 0.1, 0.8], [0.8] * 3, start=1, end=2)


def test_a_model_that_a_burst_does_not_touch_recovers_fully() -> None:
    """A drift that happens on clean frames as well is not the burst's doing."""
    fading = [0.9, 0.7, 0.5, 0.3, 0.1]
    found = recovery(fading, fading, start=1, end=3)
    assert found.ratio == pytest.approx(1) and found.frames == 0
    assert math.isnan(recovery(fading, [0.9, 0.7, 0.0, 0.0, 0.0], start=1, end=3).ratio)


def test_stability_against_the_clean_run() -> None:
    clean = np.zeros((4, 4), np.uint8)
    clean[:2], clean[2:, :2] = 1, 2
    half = clean.copy()
    half[:2, 2:] = 0  # object 1 loses half
    empty = np.zeros((4, 4), np.uint8)
    masks = [(0, half, clean), (1, clean, clean), (2, half, clean), (3, empty, empty), (4, clean, empty)]
    scored = {1: range(1, 4), 2: range(1, 5), 3: range(9, 9)}
    found = stability(masks, scored)
    assert found[1] == pytest.approx((1 + 0.5 + 1) / 3)  # frame 0 is the prompt, both empty counts as 1
    assert found[2] == pytest.approx((1 + 1 + 1 + 0) / 4) and math.isnan(found[3])


def test_order_of_models() -> None:
    conditions = (
        ConditionRecord(label="clean"),
        ConditionRecord(label="fog-1", corruption="fog", severity=1, family="weather"),
    )
    p = np.array([0.9, 0.8, 0.7, 0.6])

    def matrix(corrupted: np.ndarray) -> ScoreMatrix:
        values = np.repeat(np.stack([p, corrupted], 1)[:, :, None], 6, axis=2)
        names = tuple(f"v{i}" for i in range(6))
        objects = tuple((name, 1) for name in names)
        return ScoreMatrix(("a", "b", "c", "d"), conditions, objects, values, values, names, {})

    assert order_consistency(Jackknife(matrix(p / 2))).tau.value == pytest.approx(1)
    assert order_consistency(Jackknife(matrix(1 - p))).tau.value == pytest.approx(-1)
    swapped = order_consistency(Jackknife(matrix(np.array([0.4, 0.5, 0.3, 0.2]))))
    assert swapped.tau.value == pytest.approx(4 / 6) and swapped.models == 4
