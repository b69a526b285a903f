"""Intervals that cover, tests that do not cry wolf, and arithmetic on cases with a known answer."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from robust_vos_bench.analysis.intervals import Jackknife, condition_weights, holm, p_value, statistics, t_interval
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.order import order_consistency, ranks
from robust_vos_bench.analysis.summary import summarise
from robust_vos_bench.runs.records import ConditionRecord

CONDITIONS = (
    ConditionRecord(label="clean"),
    ConditionRecord(label="fog-1", corruption="fog", severity=1, family="weather"),
    ConditionRecord(label="fog-5", corruption="fog", severity=5, family="weather"),
    ConditionRecord(label="noise-1", corruption="noise", severity=1, family="noise"),
)


def matrix(values: np.ndarray, videos: int, conditions: tuple[ConditionRecord, ...] = CONDITIONS) -> ScoreMatrix:
    """models x conditions x objects, objects spread evenly over the videos."""
    models, _, objects = values.shape
    per = objects // videos
    names = tuple(f"v{i:02d}" for i in range(videos))
    return ScoreMatrix(
        models=tuple(f"m{i}" for i in range(models)),
        conditions=conditions,
        objects=tuple((names[i // per], i % per + 1) for i in range(objects)),
        j=values,
        f=values,
        videos=names,
        missing_videos={},
    )


def test_a_table_by_hand() -> None:
    values = np.array([[[0.9, 0.7], [0.8, 0.6], [0.4, 0.2], [0.6, 0.6]]])
    (row,) = summarise(matrix(values, 2))
    assert row.p == pytest.approx(80)
    assert row.corruptions == pytest.approx({"fog": 50, "noise": 60})
    assert row.mpc == pytest.approx(55)  # over severities first, then over corruptions: not the mean of the cells
    assert row.rpc == pytest.approx(100 * 55 / 80)
    assert row.drop == pytest.approx(25)
    assert (row.worst, row.worst_label) == (pytest.approx(30), "fog-5")
    assert row.severities == pytest.approx({1: 65, 5: 30})


def test_a_missing_video_makes_its_cells_missing_and_nothing_else() -> None:
    values = np.full((1, 4, 2), 0.5)
    values[0, 2, 1] = np.nan
    (row,) = summarise(matrix(values, 2))
    assert np.isnan(row.mpc) and np.isnan(row.rpc) and np.isnan(row.corruptions["fog"])
    assert row.p == 50 and row.corruptions["noise"] == 50 and row.cells_done == 3
    boot = Jackknife(matrix(values, 2))
    assert np.isnan(boot.interval(0, statistics(boot.matrix)["mPC"]).low)
    assert boot.interval(0, statistics(boot.matrix)["family:noise"]).value == pytest.approx(50)


def test_weights_of_mpc_sum_to_one_and_agree_with_the_table() -> None:
    rng = np.random.default_rng(3)
    m = matrix(rng.random((2, 4, 12)), 4)
    boot = Jackknife(m)
    stats = statistics(m)
    assert condition_weights(m, [1, 2, 3]).sum() == pytest.approx(1)
    for i, row in enumerate(summarise(m)):
        assert boot.value(i, stats["mPC"]) == pytest.approx(row.mpc)
        assert boot.value(i, stats["drop"]) == pytest.approx(row.drop)
        assert boot.ratio(i, stats["mPC"], stats["P"]).value == pytest.approx(row.rpc)


def test_an_interval_by_hand() -> None:
    """Four videos of one object: the jackknife of a mean is its usual standard error, and t(3) is 3.182."""
    values = np.array([10.0, 20.0, 30.0, 60.0])
    left_out = (values.sum() - values) / 3
    reach = 3.18244630528 * values.std(ddof=1) / 2
    found = t_interval(30.0, left_out)
    assert (found.low, found.high) == pytest.approx((30 - reach, 30 + reach))
    assert p_value(30.0, left_out) == pytest.approx(2 * stats.t.sf(30 / (reach / 3.18244630528), 3))
    assert t_interval(30.0, left_out, bounds=(0, 40)).high == 40
    m = matrix(np.tile(values / 100, (1, 4, 1)), 4)
    score = Jackknife(m).interval(0, statistics(m)["P"])
    assert 0 < score.low < 30 < score.high < 100 and score.high - 30 > 30 - score.low  # skewed towards the middle


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_scores_at_the_ends_and_equal_scores_have_intervals_within_the_range(value: float) -> None:
    values = np.full((2, 4, 6), value)
    values[1, 0, 0] = 0.25
    m = matrix(values, 6)
    jackknife = Jackknife(m)
    for model in (0, 1):
        for name, weights in statistics(m).items():
            found = jackknife.interval(model, weights)
            assert found.low <= found.value <= found.high
            assert (0 if name != "drop" else -100) <= found.low and found.high <= 100
    assert jackknife.difference(0, 0, statistics(m)["P"])[1] == 1.0


def test_videos_of_one_film_are_left_out_together() -> None:
    values = np.random.default_rng(4).random((2, 4, 12))
    films = dataclasses.replace(matrix(values, 6), footage={"v00": "a", "v01": "a", "v02": "b", "v03": "b"})
    whole = matrix(values, 6)
    merged = dataclasses.replace(
        whole,
        videos=("a", "b", "v04", "v05"),
        objects=tuple((name, k) for name, count in (("a", 4), ("b", 4), ("v04", 2), ("v05", 2)) for k in range(count)),
    )
    weights = statistics(whole)["mPC"]
    assert Jackknife(films).interval(0, weights) == Jackknife(merged).interval(0, weights)
    assert Jackknife(films).interval(0, weights) != Jackknife(whole).interval(0, weights)


def test_one_video_has_a_value_and_no_interval() -> None:
    m = matrix(np.random.default_rng(0).random((3, 4, 2)), 1)
    jackknife = Jackknife(m)
    found = jackknife.interval(0, statistics(m)["mPC"])
    assert not np.isnan(found.value) and np.isnan(found.low)
    assert {(r.low, r.high) for r in ranks(jackknife, statistics(m)["mPC"]).values()} == {(1, 3)}
    tau = order_consistency(jackknife).tau
    assert (tau.low, tau.high) == (-1, 1)


def simulate(rng: np.random.Generator, videos: int, gap: float) -> ScoreMatrix:
    """Two models with strong video effects that they share, weak object effects, and a true gap between them."""
    per = 3
    video = np.repeat(rng.normal(0, 0.10, videos), per)
    shared = 0.6 + video + rng.normal(0, 0.03, videos * per)
    own = np.repeat(rng.normal(0, 0.04, (2, 4, videos)), per, axis=2) + rng.normal(0, 0.02, (2, 4, videos * per))
    values = shared + own
    values[0] += gap
    return matrix(values, videos)


def test_intervals_cover_and_false_alarms_are_rare_with_video_effects() -> None:
    rng = np.random.default_rng(7)
    trials, covered, alarms, covered_difference = 400, 0, 0, 0
    for _ in range(trials):
        m = simulate(rng, 30, 0.0)
        boot = Jackknife(m)
        weights = statistics(m)["mPC"]
        one = boot.interval(0, weights)
        covered += one.low <= 60 <= one.high
        difference, p = boot.difference(0, 1, weights)
        alarms += p < 0.05
        covered_difference += difference.low <= 0 <= difference.high
    # Far off means that clusters are ignored.
    assert 0.92 <= covered / trials <= 0.98
    assert 0.92 <= covered_difference / trials <= 0.98
    assert alarms / trials <= 0.08


def test_pairing_finds_a_gap_that_single_intervals_hide() -> None:
    m = simulate(np.random.default_rng(11), 30, 0.03)
    boot = Jackknife(m)
    weights = statistics(m)["mPC"]
    a, b = boot.interval(0, weights), boot.interval(1, weights)
    assert a.low < b.high  # overlap
    assert boot.difference(0, 1, weights)[0].excludes_zero


@pytest.mark.parametrize(("videos", "least"), [(1, 1.0), (5, 2 / 2**5), (8, 2 / 2**8)])
def test_no_p_is_smaller_than_what_the_videos_can_show(videos: int, least: float) -> None:
    """Every video agrees, by far: the signs of n videos are all alike by chance in two cases of 2^n."""
    values = np.full((2, 4, videos), 0.5) + np.random.default_rng(2).random((1, 4, videos)) / 10
    values[0] += 0.3
    m = matrix(values, videos)
    boot = Jackknife(m)
    found, p = boot.difference(0, 1, statistics(m)["mPC"])
    assert found.value == pytest.approx(30) and p == pytest.approx(least)
    assert boot.difference(1, 0, statistics(m)["mPC"])[1] == p
    assert np.isnan(Jackknife(matrix(values * np.nan, videos)).difference(0, 1, statistics(m)["mPC"])[1])


def test_ranks_say_what_is_certain() -> None:
    rng = np.random.default_rng(5)
    base = 0.5 + np.repeat(rng.normal(0, 0.1, 20), 2)
    noise = np.repeat(rng.normal(0, 0.02, (3, 4, 20)), 2, axis=2)
    values = base + noise + np.array([0.0, 0.001, -0.1])[:, None, None]
    m = matrix(values, 20)
    found = ranks(Jackknife(m), statistics(m)["mPC"])
    assert {found[0].rank, found[1].rank} == {1, 2}
    assert (found[0].low, found[0].high) == (found[1].low, found[1].high) == (1, 2)
    assert found[2].rank == 3 and (found[2].low, found[2].high) == (3, 3)
    twins = matrix(np.repeat(values[:1], 2, axis=0), 20)
    assert [str(r) for r in ranks(Jackknife(twins), statistics(twins)["mPC"]).values()] == ["1 (1 to 2)"] * 2


@pytest.mark.parametrize("videos", [2, 5, 8, 30])
def test_ranks_and_tau_lie_within_their_intervals(videos: int) -> None:
    """Also in grids with ties and with models that are far apart."""
    rng = np.random.default_rng(videos)
    for trial in range(40):
        values = rng.random((6, 4, videos)) * rng.random((6, 1, 1)) ** 0.3
        if trial % 2:
            values = np.round(values * 4) / 4
            values[3] = values[2]
        m = matrix(values, videos)
        found = ranks(Jackknife(m), statistics(m)["mPC"])
        assert all(1 <= r.low <= r.rank <= r.high <= 6 for r in found.values())
        tau = order_consistency(Jackknife(m)).tau
        assert np.isnan(tau.value) or -1 <= tau.low <= tau.value <= tau.high <= 1


def test_tau_of_orders_that_are_certain() -> None:
    """Three models far apart; corruption swaps the last two: two pairs agree, one does not."""
    rng = np.random.default_rng(1)
    means = np.array([[0.9, 0.8], [0.7, 0.3], [0.5, 0.5]])
    values = means[:, [0, 1, 1, 1], None] + rng.normal(0, 0.01, (3, 4, 12))
    tau = order_consistency(Jackknife(matrix(values, 12))).tau
    assert (tau.low, tau.value, tau.high) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    values[2, 1:] = values[1, 1:] + rng.normal(0, 0.05, (3, 12))  # now nobody knows which of the two is better
    tau = order_consistency(Jackknife(matrix(values, 12))).tau
    assert (tau.low, tau.high) == pytest.approx((1 / 3, 1))


def benchmark() -> Any:
    """The module benchmarks/intervals.py."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "intervals.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_intervals", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # before it runs: dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("videos", [5, 8])
def test_few_videos_are_covered_better_than_by_percentiles(videos: int) -> None:
    """The short form of benchmarks/intervals.py, whose table is in docs/metrics.md."""
    rates = benchmark().simulated(videos, trials=60, draws=60)
    for name in ("P", "mPC", "rPC", "drop", "A - B"):
        assert rates[name].covered >= 0.82 and rates[name].covered > rates[name].percentile, name
    for name in ("rank", "tau"):
        assert rates[name].covered >= 0.93 and rates[f"{name}, close models"].covered >= 0.93
        assert rates[f"{name}, close models"].percentile < 0.9


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, float("nan")])[:3] == pytest.approx([0.03, 0.06, 0.06])


def test_twenty_models_and_a_hundred_cells_take_less_than_a_second() -> None:
    conditions = (
        CONDITIONS[0],
        *(ConditionRecord(label=f"c{i}-1", corruption=f"c{i}", severity=1, family=f"f{i % 4}") for i in range(100)),
    )
    m = matrix(np.random.default_rng(0).random((20, 101, 60)), 30, conditions)
    start = time.process_time()
    boot = Jackknife(m)
    for weights in statistics(m).values():
        for model in range(20):
            boot.interval(model, weights)
    assert time.process_time() - start < 2.0  # under one on an idle core; the bound leaves room for a busy machine


def test_a_video_that_failed_everywhere_is_still_missed() -> None:
    values = np.full((1, 4, 2), 0.5)
    full = matrix(values, 2)
    missing = {("m0", c.label): ("v02",) for c in CONDITIONS[1:]}
    absent = ScoreMatrix(
        full.models, full.conditions, full.objects, full.j, full.f, (*full.videos, "v02"), missing_videos=missing
    )
    (row,) = summarise(absent)
    assert row.p == 50 and np.isnan(row.mpc) and row.cells_done == 1
    assert np.isnan(Jackknife(absent).value(0, statistics(absent)["mPC"]))
