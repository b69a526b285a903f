"""The finding, the drops and the paired differences that pages and figures show."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench import compare, load_run
from robust_vos_bench.analysis.finding import finding
from robust_vos_bench.analysis.levels import drop_map, family_curves, mean_drop
from robust_vos_bench.analysis.rivals import rivals
from robust_vos_bench.analysis.words import listed
from robust_vos_bench.reports.strips import worst_drops

Make = Callable[..., Path]
VIDEOS = [f"v{i}" for i in range(8)]


def said(folder: Path) -> str:
    return " ".join(finding(load_run(folder).robustness))


def test_the_finding_names_the_best_the_costliest_and_how_certain_it_is(run_folder: Make) -> None:
    folder = run_folder(gap=0.1, videos=VIDEOS)
    row = load_run(folder).robustness["one"]
    text = said(folder)
    first, second = finding(load_run(folder).robustness)[:2]
    assert (
        first == f"one is highest of 2 models under corruption, and keeps {row.summary.rpc:.0f} % of its clean score."
    )
    assert second.startswith(f"J&F falls from {row['P']:.1f} to {row['mPC']:.1f} (95 %: ")
    assert "Its lead over two, " in text and text.endswith(", is certain.")


def test_a_lead_is_called_certain_only_where_compare_says_so(run_folder: Make) -> None:
    near, few = run_folder("near", videos=VIDEOS), run_folder("few", gap=0.1)
    assert "is not certain" in said(near) and not compare(near).headline[1].interval.excludes_zero
    # Three videos that agree: the interval is clear of zero, but p cannot be below 1/4.
    assert compare(few).headline[1].interval.excludes_zero and compare(few).headline[1].p == 0.25
    assert said(few).endswith("is not certain: 3 videos are too few to say so.")
    best, others = rivals(load_run(few).robustness)
    assert best == "one" and [(r.model, r.certain) for r in others] == [("two", False)]
    assert others[0].behind == compare(few).headline[1].interval


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"models": ["one"]}, "Most is lost to weather (18.2 points), least to noise (17.9)."),
        ({"models": ["one"]}, "one keeps 77 % of its clean score under corruption. J&F falls from "),
        ({"conditions": [("", 0, "")]}, "it has clean scores only."),
        ({"conditions": [("fog", 1, "weather"), ("fog", 5, "weather")]}, "there is no clean score beside it"),
        ({"missing": [("two", "fog-5", "b")]}, "two is not ranked: 1 of 4 cells are missing"),
        ({"missing": [("two", "clean", "b")]}, "Clean cells of two are missing."),
        (
            {"missing": [(m, "fog-5", "b") for m in ("one", "two")]},
            "one and two are not ranked: 2 of 8 cells are missing",
        ),
        ({"conditions": [("", 0, ""), ("fog", 5, "weather")], "models": ["one"]}, "Lost to fog: "),
    ],
)
def test_what_is_missing_is_said(run_folder: Make, settings: dict[str, object], words: str) -> None:
    assert words in said(run_folder(**settings))


def test_nothing_is_said_of_what_was_not_scored(run_folder: Make) -> None:
    everything = [(m, c, v) for m in ("one", "two") for c in ("clean", "fog-1", "fog-5", "shot_noise-3") for v in "abc"]
    assert said(run_folder(missing=everything)) == "No video has been scored yet."


def test_drops_and_curves_are_those_of_the_cells(run_folder: Make) -> None:
    run = load_run(run_folder(missing=[("one", "shot_noise-3", "a")]))
    row = run.robustness["two"]
    shown = drop_map(run.robustness, row)
    assert shown.corruptions == ("fog", "shot_noise") and shown.severities == (1, 3, 5)
    assert shown.planned.tolist() == [[True, False, True], [False, True, False]]
    assert shown.drop[0, 2] == pytest.approx(row.summary.p - row.summary.cells["fog-5"]) and np.isnan(shown.drop[0, 1])
    assert shown.means[0] == pytest.approx(row.summary.p - row.summary.corruptions["fog"])
    other = drop_map(run.robustness, run.robustness["one"])
    assert math.isnan(other.means[1]) and other.planned[1, 1]
    both = mean_drop([shown, other])
    assert both is not None and both.drop[0, 2] == pytest.approx((shown.drop[0, 2] + other.drop[0, 2]) / 2)
    curves = family_curves(run.robustness)
    assert [c.model for c in curves["weather"]] == ["two", "one"] and curves["weather"][0].severities == (0, 1, 5)
    point = curves["weather"][0].points[2]
    assert point.value == pytest.approx(row.summary.cells["fog-5"]) and point.low < point.value < point.high


def test_strips_are_spread_over_families_models_and_videos(run_folder: Make) -> None:
    conditions = [("", 0, ""), *((f"c{i}", 5, f"f{i}") for i in range(4))]
    run = load_run(run_folder(models=["a", "b", "c", "d"], conditions=conditions, videos=["v", "w", "x", "y"]))
    drops = worst_drops(run.matrix, 4)
    assert {d.family for d in drops} == {"f0", "f1", "f2", "f3"}
    assert {d.model for d in drops} == {"a", "b", "c", "d"} and {d.video for d in drops} == {"v", "w", "x", "y"}
    losses = 100 * (run.matrix.jf[:, :1] - run.matrix.jf)
    assert drops[0].points == pytest.approx(losses.max()) and drops == worst_drops(run.matrix, 4)
    assert len(worst_drops(run.matrix, 1000)) == 4 * 4 * 4  # one per model, video and family


def test_names_in_a_sentence() -> None:
    assert [listed(list("abcde")[:n]) for n in (1, 2, 3, 5)] == ["a", "a and b", "a, b and c", "a, b and 3 more"]
