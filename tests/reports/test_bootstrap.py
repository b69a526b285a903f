"""Intervals that cover, tests that do not cry wolf, and arithmetic on cases with a known answer."""

from __future__ import annotations

import time

import numpy as np
import pytest

from robust_vos_bench.analysis.bootstrap import Bootstrap, condition_weights, holm, p_value, ranks, statistics
from robust_vos_bench.analysis.matrix import ScoreMatrix
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
    boot = Bootstrap(matrix(values, 2), draws=50)
    assert np.isnan(boot.interval(0, statistics(boot.matrix)["mPC"]).low)
    assert boot.interval(0, statistics(boot.matrix)["family:noise"]).value == pytest.approx(50)


def test_weights_of_mpc_sum_to_one_and_agree_with_the_table() -> None:
    rng = np.random.default_rng(3)
    m = matrix(rng.random((2, 4, 12)), 4)
    boot = Bootstrap(m, draws=10)
    stats = statistics(m)
    assert condition_weights(m, [1, 2, 3]).sum() == pytest.approx(1)
    for i, row in enumerate(summarise(m)):
        assert boot.value(i, stats["mPC"]) == pytest.approx(row.mpc)
        assert boot.value(i, stats["drop"]) == pytest.approx(row.drop)
        assert boot.ratio(i, stats["mPC"], stats["P"]).value == pytest.approx(row.rpc)


def test_the_same_seed_gives_the_same_interval() -> None:
    m = matrix(np.random.default_rng(0).random((1, 4, 20)), 10)
    weights = statistics(m)["mPC"]
    assert Bootstrap(m, 500, seed=1).interval(0, weights) == Bootstrap(m, 500, seed=1).interval(0, weights)
    assert Bootstrap(m, 500, seed=1).interval(0, weights) != Bootstrap(m, 500, seed=2).interval(0, weights)


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
        boot = Bootstrap(m, 400, seed=int(rng.integers(1 << 30)))
        weights = statistics(m)["mPC"]
        one = boot.interval(0, weights)
        covered += one.low <= 60 <= one.high
        difference, p = boot.difference(0, 1, weights)
        alarms += p < 0.05
        covered_difference += difference.low <= 0 <= difference.high
    # A percentile bootstrap over 30 clusters is a little short of its nominal 95 %; far off means clusters are ignored.
    assert 0.90 <= covered / trials <= 0.98
    assert 0.90 <= covered_difference / trials <= 0.98
    assert alarms / trials <= 0.10


def test_pairing_finds_a_gap_that_single_intervals_hide() -> None:
    m = simulate(np.random.default_rng(11), 30, 0.03)
    boot = Bootstrap(m, 2000)
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
    boot = Bootstrap(m, 1000)
    found, p = boot.difference(0, 1, statistics(m)["mPC"])
    assert found.value == pytest.approx(30) and p == pytest.approx(least)
    assert boot.difference(1, 0, statistics(m)["mPC"])[1] == p
    assert np.isnan(Bootstrap(matrix(values * np.nan, videos), 50).difference(0, 1, statistics(m)["mPC"])[1])


def test_ranks_are_shared_until_the_leader_is_clearly_better() -> None:
    rng = np.random.default_rng(5)
    base = 0.5 + np.repeat(rng.normal(0, 0.1, 20), 2)
    noise = np.repeat(rng.normal(0, 0.02, (3, 4, 20)), 2, axis=2)
    values = base + noise + np.array([0.0, 0.001, -0.1])[:, None, None]
    m = matrix(values, 20)
    found = ranks(Bootstrap(m, 1000), statistics(m)["mPC"])
    assert found[0].rank == found[1].rank == 1
    assert found[2].rank == 3 and (found[2].low, found[2].high) == (3, 3)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, float("nan")])[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert p_value(np.array([1.0] * 99)) == pytest.approx(0.02)


def test_twenty_models_and_a_hundred_cells_take_less_than_a_second() -> None:
    conditions = (
        CONDITIONS[0],
        *(ConditionRecord(label=f"c{i}-1", corruption=f"c{i}", severity=1, family=f"f{i % 4}") for i in range(100)),
    )
    m = matrix(np.random.default_rng(0).random((20, 101, 60)), 30, conditions)
    start = time.process_time()
    boot = Bootstrap(m)
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
    assert np.isnan(Bootstrap(absent, 20).value(0, statistics(absent)["mPC"]))
