"""The data study: every row once, its cost, its command, and a table whose numbers can be computed by hand."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import stdtrit

import robust_vos_bench as rvos
from robust_vos_bench.analysis.intervals import Jackknife, standard_error
from robust_vos_bench.errors import UsageError
from training import study, study_rows, study_table, train
from training.cost import Cost
from training.state import State, load, save
from training.study_rows import BUDGETS, GROUPS, Budget, Row, rows
from training.study_table import Sample, change, seed_deviation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def one_thread_and_signals_kept() -> object:
    """The command sets threads and handlers; tests leave the process as it was."""
    threads, handlers = torch.get_num_threads(), [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    yield
    torch.set_num_threads(threads)
    for which, handler in zip((signal.SIGTERM, signal.SIGINT), handlers):
        signal.signal(which, handler)


def test_every_row_has_a_name_of_its_own_and_a_command_that_parses() -> None:
    every = rows()
    assert len({row.name for row in every}) == len(every) and {row.group for row in every} == set(GROUPS)
    for row in every:
        given = train.parser().parse_args(row.arguments("STUDY"))
        assert (given.model, given.recipe, given.seed, given.steps) == (row.model, row.recipe, row.seed, row.steps)
        for option, value in row.options.items():
            assert getattr(given, option) == value
    assert {row.options.get("stills", 0) for row in every} == {0, 100, 300}
    assert sum(row.name.endswith("seed2") for row in every) == 3
    for flags in rows(["levelled"])[0].scoring("STUDY", "DAVIS"):
        assert "levelled=true" in flags
    assert "--clean-reference" in flags
    assert "levelled=true" in rows(["run-levelled"])[0].scoring("STUDY", "DAVIS")[0]
    assert "levelled=true" not in rows(["longer"])[0].scoring("STUDY", "DAVIS")[0]


def test_the_small_budget_is_small_in_every_row_and_a_second_stage_goes_on_from_its_own_baseline() -> None:
    every = rows(budget=BUDGETS["small"])
    assert len({row.name for row in every}) == len(every)
    for row in every:
        given = train.parser().parse_args(row.arguments("STUDY"))
        assert (given.crop, given.pace) == (145, 2.5) and given.steps == row.steps <= 1500
        assert all(any(flag.endswith(":DavisHalf") for flag in flags) for flags in row.scoring("STUDY", "DAVIS"))
    video, longer = (rows([g], ["cfbi.lite"], [1], BUDGETS["small"])[0] for g in ("video", "longer"))
    assert video.first == longer.first == rows(["baseline"], ["cfbi.lite"], [1], BUDGETS["small"])[0]
    assert longer.steps == video.steps + video.first.steps, "both add as many steps"
    given = train.parser().parse_args(video.arguments("STUDY"))
    name = "cfbi.lite.plain.pace2.5.seed1"
    assert given.start == Path("STUDY") / name / f"{name}.safetensors"
    assert longer.name == f"{name}.longer" and longer.weights == f"{name}.longer/{name}.safetensors"


def test_the_list_adds_up_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"cfbi.lite.plain": {"step": 3.6, "validation": 36.0}}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    arguments = [
        "list",
        "--out",
        str(tmp_path),
        "--models",
        "cfbi.lite",
        "--groups",
        "baseline,stills,video",
        "--commands",
    ]
    assert study.main(arguments) == 0
    out = capsys.readouterr().out
    assert "| cfbi.lite.plain | baseline | 2500 | not started | 2.55 |" in out  # 2500 x 3.6 s + 5 x 36 s
    assert "| cfbi.lite.plain.stills100 | stills | 2500 | not started | 2.55 |" in out
    assert "6 rows, 12.8 core hours in all, and 1 rows that were not measured." in out
    assert "python training/train.py --model cfbi.lite --recipe video" in out
    assert "rvos-bench run --model cfbi.lite --checkpoint" in out
    assert "rvos-bench run --model cfbi.lite-video --checkpoint" in out, "records say that it saw DAVIS"
    assert study.main([*arguments[:3], "--groups", "stils"]) == 2
    assert study.main([*arguments[:3], "--seeds", "a"]) == 2
    (tmp_path / "plan.json").write_text("{")
    assert study.main(arguments) == 2
    assert "plan.json" in capsys.readouterr().err


def test_a_plan_measures_each_kind_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How a training is measured is tested with the command that does it."""
    measured: list[str] = []

    def noted(given: argparse.Namespace, device: str) -> tuple[None, None, None]:
        assert given.crop == 65 and device == "cpu"
        measured.append(f"{given.recipe} {given.masks} {given.levelled}")
        return None, None, None

    monkeypatch.setattr(train, "prepared", noted)
    monkeypatch.setattr(study, "cost", lambda *given: Cost(1.0, 2.0))
    arguments = ["plan", "--out", str(tmp_path), "--models", "cfbi.lite", "--groups", "baseline,masks,levelled"]
    arguments += ["--device", "cpu", "--crop", "65"]
    assert study.main(arguments) == 0 and study.main(arguments) == 0
    assert sorted(measured) == ["corrupted sound True", "plain sound False", "plain sound True"]
    assert "not measured" not in capsys.readouterr().out.split("core hours in all")[-1]


def test_rows_are_run_exported_and_gone_on_with(
    ecssd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(study_rows.BUDGETS, "full", Budget("full", 2, 2, 65))
    arguments = ["run", "--out", str(tmp_path), "--models", "cfbi.lite", "--groups", "baseline", "--seeds", "0,1"]
    arguments += ["--data", str(ecssd), "--device", "cpu", "--batch", "1"]
    assert study.main([*arguments, "--minutes", "0"]) == 3, "stopped early: the next row is not begun"
    assert not (tmp_path / "cfbi.lite.plain.seed1").exists()
    assert study.main(arguments) == 0
    for name in ("cfbi.lite.plain", "cfbi.lite.plain.seed1"):
        assert load(tmp_path / name / "state.pt").step == 2
        assert (tmp_path / name / f"{name}.safetensors").is_file()
    capsys.readouterr()
    assert study.main(arguments) == 0
    assert capsys.readouterr().out == "", "nothing is left to do"


def _finished(folder: Path, row: Row, j: float, damaged: float) -> None:
    curve = [
        {
            "step": float(row.steps),
            "loss": 1.0,
            "seconds": 1.0,
            "validation_j": j,
            "damaged_j": damaged,
            "static_j": 0.2,
        }
    ]
    settings = {"model": row.model, "recipe": row.recipe, "seed": row.seed, **row.options}
    save(State(settings, row.steps, curve=curve), folder / row.name / "state.pt")


def test_the_table_has_means_seeds_and_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = rows(["baseline", "stills"], ["aoc.lite"])
    for row, j in zip(chosen, (0.80, 0.82, 0.84, 0.70)):
        _finished(tmp_path, row, j, j - 0.1)
    text = study_table.table(tmp_path, chosen)
    assert "| aoc.lite | plain | 3 | 2500 | 82.0 | 2.00 |  |" in text
    # One seed against three, deviation 2, t with two degrees of freedom.
    reach = 4.302653 * 2 * math.sqrt(1 + 1 / 3)
    assert (
        f"| aoc.lite | plain.stills100 | 1 | 2500 | 70.0 |  | -12.0 ({-12 - reach:+.1f} to {-12 + reach:+.1f}) |"
        in text
    )
    assert "Not finished, and not in any table: aoc.lite.plain.stills300." in text
    assert "pooled sd of seeds 2.00, 2 degrees of freedom" in text
    assert study_table.table(tmp_path / "none", chosen[:1]).startswith("Not finished")


def test_without_seeds_an_interval_is_that_of_the_videos_and_says_so() -> None:
    one = Sample(60.0, np.array([61.0, 58.0, 61.0]))
    base = Sample(50.0, np.array([50.5, 49.0, 50.5]))
    alone = change([one], [base], math.nan, 0)
    error = standard_error(one.left_out - base.left_out)
    assert alone.value == 10 and not alone.seeds_known
    assert alone.high - 10 == pytest.approx(4.302653 * error, rel=1e-4)
    both = change([one], [base], 1.5, 4)
    of_videos, of_seeds = error**2, 2 * 1.5**2
    freedom = (of_videos + of_seeds) ** 2 / (of_videos**2 / 2 + of_seeds**2 / 4)
    assert 2 < freedom < 6
    assert both.seeds_known and both.high - 10 == pytest.approx(
        float(stdtrit(freedom, 0.975)) * math.sqrt(of_videos + of_seeds)
    )
    assert math.isnan(change([Sample(1.0)], [Sample(2.0)], math.nan, 0).low)


def test_seed_deviation_pools_and_is_unknown_without_two_seeds() -> None:
    deviation, freedom = seed_deviation([[1.0, 3.0], [10.0, 10.0, 13.0], [7.0]])
    assert freedom == 3 and deviation == pytest.approx(math.sqrt((2 + 6) / 3))
    assert seed_deviation([[1.0], [2.0]])[1] == 0


def test_scores_of_finished_rows_are_in_the_table_with_intervals_over_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The scores of a model that needs no weights stand for those of the rows."""
    base, other, _ = chosen = rows(["baseline", "stills"], ["aoc.lite"], [0])
    for row in (base, other):
        _finished(tmp_path, row, 0.8, 0.7)
    folder = tmp_path / base.name / "scores"
    made = rvos.run("static", corruption="mean_blur", severity=1, limit=2, workers=1, output=folder)
    shutil.copytree(folder, tmp_path / other.name / "scores")
    jackknife = Jackknife(made.matrix)
    value = jackknife.value(0, jackknife.statistics["mPC"])
    text = study_table.table(tmp_path, chosen)
    part = text.split("**J&F mPC, all frames damaged**")[1].split("**")[0]
    assert f"| aoc.lite | plain | 1 | 2500 | {value:.1f} |" in part
    assert f"| aoc.lite | plain.stills100 | 1 | 2500 | {value:.1f} |  | +0.0 (+0.0 to +0.0)* |" in part
    assert "* Of the videos alone" in part
    by_video = text.split("**J&F mPC by video, all frames damaged**")[1].split("\n")
    scores = made.scores[made.scores["condition"] != "clean"].groupby("video", sort=False)["J&F"].mean()
    assert by_video[4] == f"| aoc.lite | plain | {' | '.join(f'{100 * v:.1f}' for v in scores)} |"
    arguments = ["--out", str(tmp_path), "--groups", "baseline,stills", "--models", "aoc.lite", "--seeds", "0"]
    assert study.main(["keep", *arguments, "--to", str(tmp_path / "kept")]) == 0
    assert study_table.table(tmp_path / "kept", chosen) == text, "weights and runs are not needed"
    capsys.readouterr()
    assert study.main(["list", *arguments[2:], "--out", str(tmp_path / "kept")]) == 0
    assert "| aoc.lite.plain | baseline | 2500 | kept, 2500 |" in capsys.readouterr().out
    shutil.rmtree(tmp_path / other.name / "scores")
    rvos.run("static", corruption="mean_blur", severity=2, limit=2, workers=1, output=tmp_path / other.name / "scores")
    with pytest.raises(UsageError, match="cannot be put in one table"):
        study_table.table(tmp_path, chosen)


def test_damaged_rows_branch_and_longer_ones_go_on(
    ecssd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What rows share is trained once, and gives the bits of a training from the start."""
    for module in ("training.recipes", "training.train", "training.study_rows"):
        monkeypatch.setattr(f"{module}.DAMAGED_FROM", 2)
    monkeypatch.setitem(study_rows.BUDGETS, "small", Budget("small", 2, 1, 65, 2.0))
    flags = [
        "--data",
        str(ecssd),
        "--device",
        "cpu",
        "--batch",
        "4",
    ]  # of one clip, a quarter of the steps is left alone
    arguments = ["--out", str(tmp_path / "study"), "--budget", "small", "--models", "cfbi.lite", "--seeds", "0", *flags]
    assert study.main(["run", *arguments, "--groups", "longer"]) == 4, "nothing to go on from"
    assert "run --groups baseline first" in capsys.readouterr().err
    assert study.main(["run", *arguments, "--groups", "baseline,damage,longer,run-levelled"]) == 0
    name = "cfbi.lite.{}.pace2"
    first = tmp_path / "study" / name.format("plain")
    assert load(first / "shared.pt").step == 1 and load(first / "state.pt").step == 2
    longer = load(tmp_path / "study" / f"{name.format('plain')}.longer" / "state.pt")
    assert longer.step == 3 and longer.settings == load(first / "state.pt").settings
    same = rows(["run-levelled"], ["cfbi.lite"], [0], study_rows.BUDGETS["small"])[0]
    assert load(tmp_path / "study" / same.name / "state.pt").step == 2 and (tmp_path / "study" / same.weights).is_file()
    row = rows(["damage"], ["cfbi.lite"], [0], study_rows.BUDGETS["small"])[1]
    branched = load(tmp_path / "study" / row.name / "state.pt")
    plain = load(first / "state.pt").network
    assert not all(torch.equal(branched.network[n], plain[n]) for n in plain), "the faster schedule damages, too"
    assert train.main(row.arguments(tmp_path / "whole", flags)) == 0
    whole = load(tmp_path / "whole" / row.name / "state.pt")
    assert branched.settings == whole.settings and branched.settings["damaged"] == "memory"
    assert all(torch.equal(branched.network[n], whole.network[n]) for n in whole.network)


def test_the_page_has_the_tables_of_what_was_kept(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "data-study.md").read_text(encoding="utf-8")
    held = page.split("<!-- study:start -->\n")[1].split("\n<!-- study:end -->")[0]
    command = "table --short --budget small --models cfbi.lite --seeds 0,1 --out"
    assert study.main([*command.split(), str(ROOT / "training" / "study")]) == 0
    assert capsys.readouterr().out.strip() == held.strip(), f"python training/study.py {command} training/study"
    assert held.count("| cfbi.lite |") >= 20, "both tables are there"


def test_weights_run_in_another_way_are_set_against_themselves_alone(tmp_path: Path) -> None:
    """Two seeds of the baseline that differ far: a row with the weights of one of them knows nothing of the other."""
    base, run = rows(["baseline"], ["aoc.lite"], [0, 1]), rows(["run-levelled"], ["aoc.lite"], [0])
    for row, model in ((base[0], "flow"), (base[1], "static"), (run[0], "flow")):
        _finished(tmp_path, row, 0.8, 0.7)
        scores = tmp_path / row.name / "scores"
        rvos.run(model, corruption="fog", severity=1, limit=2, workers=1, output=scores)
    differences = study_table.table(tmp_path, [*base, *run]).split("**J&F P**")[0]
    assert "| aoc.lite | plain.run-levelled | 1 |  | +0.0 (+0.0 to +0.0) | +0.0 (+0.0 to +0.0) |" in differences
    assert f"){study_table.ALONE}" not in differences, "no other training could have had these weights"


def test_rows_by_name_and_what_cannot_be_done_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some = ["--out", str(tmp_path), "--models", "aoc.lite", "--groups", "baseline", "--seeds", "0,1"]
    assert study.main(["list", *some, "--rows", "aoc.lite.plain.seed1"]) == 0
    assert capsys.readouterr().out.count("| aoc.lite.plain") == 1
    assert study.main(["list", *some, "--rows", "aoc.lite.plain.seed7"]) == 2
    assert study.main(["score", *some]) == 3
    assert capsys.readouterr().out.count("no weights yet, not scored") == 2
    assert study.main(["table", *some, "--sort"]) == 2
    row = rows(["baseline"], ["aoc.lite"], [0])[0]
    _finished(tmp_path, row, 0.8, 0.7)
    assert study.main(["table", *some, "--against", "plian"]) == 2
    assert "plain" in capsys.readouterr().err
    rvos.run("static", corruption="fog", severity=1, limit=2, workers=1, output=tmp_path / row.name / "scores")
    next((tmp_path / row.name / "scores" / "cells").rglob("*.jsonl")).unlink()
    assert study.main(["table", *some]) == 0
    assert f"not complete, and not in any table: {row.name}" in capsys.readouterr().out
    assert study.main(["keep", *some, "--to", str(tmp_path / "kept")]) == 0
    assert "scores are not complete" in capsys.readouterr().out


def test_costs_count_what_a_row_trains_itself() -> None:
    small = BUDGETS["small"]
    found = {group: rows([group], ["cfbi.lite"], [0], small)[0].new_steps for group in GROUPS}
    assert (found["baseline"], found["damage"], found["longer"], found["run-levelled"]) == (1000, 600, 500, 0)
