"""Several runs and packed results as one table, on what they have in common, with what is left out said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

import robust_vos_bench as rvos
from robust_vos_bench.cli.leaderboard import command as leaderboard_command
from robust_vos_bench.cli.report import command as report_command
from robust_vos_bench.reports.leaderboard_files import leaderboard
from robust_vos_bench.reports.pack import pack_result
from robust_vos_bench.runs.store import RunStore

Make = Callable[..., Path]
FOG = [("", 0, ""), ("fog", 1, "weather"), ("fog", 5, "weather")]


def three(run_folder: Make, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A run of two models, one on fewer conditions, and a packed result with another video."""
    whole = run_folder("whole", models=["one", "two"], gap=0.1)
    fewer = run_folder("fewer", models=["three"], conditions=FOG)
    packed = pack_result(
        run_folder("packed", models=["four"], videos=["a", "b", "d"]), output=tmp_path / "four.json.gz"
    )
    return whole, fewer, packed


def test_a_table_of_several_runs_is_on_what_they_share(run_folder: Make, tmp_path: Path) -> None:
    whole, fewer, packed = three(run_folder, tmp_path)
    run = rvos.load_runs(whole, fewer, packed)
    assert run.models == ["one", "two", "three", "four"] and run.conditions == ["clean", "fog-1", "fog-5"]
    assert run.manifest.videos == ["a", "b"] and run.matrix.complete.all() and run.manifest.status == "complete"
    assert run.left_out == (
        "Left out: 1 of 4 conditions, which is not in every run (shot_noise-3).",
        "Left out: 2 of 4 videos, which are not in every run (c, d).",
        "Whether the videos are the same files in every run could not be checked.",
    )
    single = {m: rvos.load_run(f) for m, f in zip(run.models, (whole, whole, fewer, packed))}
    for model, own in single.items():
        want = own.scores[own.scores["video"].isin(["a", "b"]) & own.scores["condition"].isin(run.conditions)]
        got = run.scores[run.scores["model"] == model]
        assert np.array_equal(got["J&F"], want[want["model"] == model]["J&F"]) and len(got) == 6
    table = run.table()
    assert list(table["model"]) == run.models and table["mPC_low"].notna().all()
    assert len(run.frames("one", "fog-1")) == 2 * 4 and run.frames("four", "fog-1").empty


def test_the_page_and_the_text_say_what_is_left_out(run_folder: Make, tmp_path: Path) -> None:
    sources = [str(path) for path in three(run_folder, tmp_path)]
    done = CliRunner().invoke(report_command, [*sources, "--output", str(tmp_path / "all.html")])
    page = (tmp_path / "all.html").read_text()
    assert done.exit_code == 0 and "shot_noise-3" in done.stderr and "Left out: 1 of 4 conditions" in page
    assert page.count(">Scores</h2>") == 1 and "No table of all runs" not in page
    assert all(f"{m}</span></td>" in page for m in ("one", "two", "three", "four"))
    text = CliRunner().invoke(report_command, [*sources, "--table"])
    assert text.exit_code == 0 and "shot_noise-3" in text.stdout and "three" in text.stdout
    facts = json.loads(CliRunner().invoke(report_command, [*sources, "--table", "--json"]).stdout)
    assert len(facts["models"]) == 4 and len(facts["left_out"]) == 3 and len(facts["repeat"]) == 3
    assert sum(made["units"] for made in facts["made_by"]) == 4 * 3 * 2


def test_a_packed_result_has_a_report_of_its_own(run_folder: Make, tmp_path: Path) -> None:
    packed = pack_result(run_folder(models=["one"]), output=tmp_path / "one.json.gz")
    run = rvos.load_run(packed)
    assert run.models == ["one"] and run.robustness["one"]["lost"] == 0 and not run.tracks("one", "clean")
    assert np.isfinite(run.table()["mPC"][0]) and len(run.units) == 12
    assert rvos.report(packed) == tmp_path / "one.html" and "No scores by frame" in (tmp_path / "one.html").read_text()
    with pytest.raises(rvos.DataError, match="no run directory"):
        _ = run.store


def test_one_model_in_two_runs(run_folder: Make) -> None:
    one, same = run_folder("one"), run_folder("same")
    run = rvos.load_runs(one, same)
    assert run.models == ["one", "two"]
    assert run.left_out[0] == "one of run 0badc0de (same) has the scores that another run has and is shown once."
    other = run_folder("other", gap=0.05)
    store = RunStore(other)
    manifest = store.manifest()
    assert manifest is not None
    manifest.run_id = "0ther"
    store.write_manifest(manifest)
    both = rvos.load_runs(one, other)
    assert both.models == ["one (0badc0de)", "two", "one (0ther)"]
    assert both.robustness["one (0ther)"]["mPC"] == pytest.approx(both.robustness["one (0badc0de)"]["mPC"] + 5)
    assert set(both.scores["model"]) == set(both.models) == set(both.units["model"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "2"}, "differ in scoring protocol"),
        ({"videos": ["x"]}, "no video in common"),
        ({"dataset": "other"}, "differ in data set"),
        ({"index": "ff" * 32}, "differ in data"),
        ({"fingerprint": "new"}, "differ in the version of fog-1"),
        ({"digests": {"a": "1", "b": "2", "c": "4"}}, "differ in the data of video 'c'"),
    ],
)
def test_what_cannot_share_a_table_is_refused(run_folder: Make, change: dict[str, object], message: str) -> None:
    one = run_folder("one", models=["one"])
    two = run_folder("two", models=["two"], **{k: v for k, v in change.items() if k in ("protocol", "videos")})
    for folder, digests in ((one, {"a": "1", "b": "2", "c": "3"}), (two, change.get("digests"))):
        store = RunStore(folder)
        manifest = store.manifest()
        assert manifest is not None
        if "digests" in change:
            manifest.dataset = msgspec.structs.replace(manifest.dataset, digests=digests)
        if folder == two:
            dataset = {"name": change.get("dataset", "demo"), "index_sha256": change.get("index", "00" * 32)}
            manifest.dataset = msgspec.structs.replace(manifest.dataset, **dataset)
            if "fingerprint" in change:
                manifest.conditions[1] = msgspec.structs.replace(manifest.conditions[1], fingerprint="new")
        store.write_manifest(manifest)
    with pytest.raises(rvos.UsageError, match=message) as refused:
        rvos.load_runs(one, two)
    if "in common" not in message:  # runs of one plan on other files have one id
        assert "(one) and run" in str(refused.value) and "(two) cannot share" in str(refused.value)
    page = rvos.report(one, two).read_text()
    assert page.count(">Scores</h2>") == 2 and "No table of all runs" in page


def test_a_leaderboard_of_what_runs_share(run_folder: Make, tmp_path: Path) -> None:
    sources = three(run_folder, tmp_path)
    boards = tmp_path / "boards"
    (page,) = leaderboard(*sources, output=boards, joint=True)
    assert {row.model for row in page.rows} == {"one", "two", "three", "four"} and page.rows[0].model == "one"
    text = (boards / f"{page.name}.md").read_text()
    assert "Left out: 1 of 4 conditions, which is not in every run (shot_noise-3)." in text
    assert json.loads((boards / f"{page.name}.json").read_text())["left_out"][1].startswith("Left out: 2 of 4 videos")
    files = {path: path.read_bytes() for path in boards.rglob("*") if path.is_file()}
    leaderboard(output=boards)
    assert {path: path.read_bytes() for path in boards.rglob("*") if path.is_file()} == files
    done = CliRunner().invoke(leaderboard_command, [*map(str, sources), "--joint", "-o", str(tmp_path / "cli")])
    assert done.exit_code == 0 and "4 models" in done.stdout and "shot_noise-3" in done.stderr


def test_models_of_opened_runs_are_compared(run_folder: Make, tmp_path: Path) -> None:
    whole, fewer, packed = three(run_folder, tmp_path)
    found = rvos.compare(rvos.load_run(fewer), rvos.load_run(packed))
    assert (found.a, found.b, found.videos) == ("three", "four", 2)
    assert rvos.compare(rvos.load_run(whole)).a == "one"


def test_scores_are_those_of_the_file(run_folder: Make) -> None:
    import pandas as pd

    folder = run_folder()
    run = rvos.load_run(folder)
    rows = run.scores.itertuples(index=False, name=None)
    RunStore(folder).write_scores(rows)
    assert pd.read_csv(folder / "scores.csv").equals(rvos.load_run(folder).scores)
