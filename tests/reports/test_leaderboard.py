"""Pages come from runs only, never mix versions, and show what is missing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from robust_vos_bench.errors import DataError, IncompleteError, UsageError
from robust_vos_bench.reports.compare import compare, pick_two
from robust_vos_bench.reports.leaderboard import overlap
from robust_vos_bench.reports.pack import pack_result
from robust_vos_bench.reports.pages import END, START, build
from robust_vos_bench.reports.result import read_result, results_of, write_result

Make = Callable[..., Path]


def test_a_page_ranks_and_can_be_refreshed(run_folder: Make, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    (page,) = build([run_folder(gap=0.1)], boards)
    text = (boards / f"{page.name}.md").read_text()
    assert text.count(START) == text.count(END) == 1
    assert [row.result.model for row in page.rows] == ["one", "two"]
    assert [row.rank.rank for row in page.rows if row.rank] == [1, 2]
    (boards / f"{page.name}.md").write_text("My words.\n" + text + "\nMore words.\n")
    build([], boards)
    again = (boards / f"{page.name}.md").read_text()
    assert again == "My words.\n" + text + "\nMore words.\n"
    facts = json.loads((boards / f"{page.name}.json").read_text())
    assert facts["rows"][0]["run"] == "0badc0de" and facts["rows"][0]["P"] == pytest.approx(90, abs=2)
    assert f"{page.name}.md" in (boards / "README.md").read_text()


def test_models_that_cannot_be_told_apart_share_a_rank(run_folder: Make, tmp_path: Path) -> None:
    (page,) = build([run_folder(videos=[f"v{i}" for i in range(12)])], tmp_path / "boards")
    assert [row.rank.rank for row in page.rows if row.rank] == [1, 1]


def test_missing_cells_are_shown_and_not_ranked(run_folder: Make, tmp_path: Path) -> None:
    (page,) = build([run_folder(missing=[("one", "fog-5", "b")], gap=0.1)], tmp_path / "boards")
    last = page.rows[-1]
    assert last.result.model == "one" and last.rank is None
    assert "| – | one | " in (tmp_path / "boards" / f"{page.name}.md").read_text()
    assert "n/a" in (tmp_path / "boards" / f"{page.name}.md").read_text()


def test_recipe_weights_are_refused(run_folder: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="untrained"):
        build([run_folder(checkpoint="random")], tmp_path / "boards")


def test_other_protocol_versions_are_refused(run_folder: Make, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    build([run_folder("old", models=["one"])], boards)
    with pytest.raises(UsageError, match="protocol"):
        build([run_folder("new", models=["two"], protocol="2")], boards)


def test_other_seeds_get_a_page_of_their_own(run_folder: Make, tmp_path: Path) -> None:
    pages = build([run_folder("s0"), run_folder("s1", seed=1)], tmp_path / "boards")
    assert len(pages) == 2 and any("seed1" in page.name for page in pages)


def test_a_packed_result_comes_back_whole(run_folder: Make, tmp_path: Path) -> None:
    path = pack_result(run_folder(), "two", tmp_path / "two.json.gz")
    first = path.read_bytes()
    result = read_result(path)
    assert result.model == "two" and result.complete
    write_result(path, result)
    assert path.read_bytes() == first
    assert len(build([path], tmp_path / "boards")[0].rows) == 1


def test_edited_and_damaged_results_are_refused(run_folder: Make, tmp_path: Path) -> None:
    path = pack_result(run_folder(), "two", tmp_path / "two.json.gz")
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace('"j_recall":1.0', '"j_recall":0.5', 1).encode()))
    with pytest.raises(DataError, match="checksum"):
        read_result(path)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"two\.json\.gz"):
        read_result(path)


def test_incomplete_runs_are_not_packed(run_folder: Make) -> None:
    with pytest.raises(IncompleteError, match="fog-5 · b"):
        pack_result(run_folder(missing=[("one", "fog-5", "b")]), "one")
    with pytest.raises(UsageError, match="--model"):
        pack_result(run_folder("other"))


def test_training_on_the_test_set_is_marked(run_folder: Make) -> None:
    result = results_of(run_folder())[0]
    assert overlap(result) == ()
    manifest = msgspec.structs.replace(result.manifest, dataset={**result.manifest.dataset, "name": "davis2017:train"})
    assert overlap(msgspec.structs.replace(result, manifest=manifest)) == ("davis2017-train",)


def test_compare_tells_how_much_and_where(run_folder: Make) -> None:
    folder = run_folder(gap=0.1, videos=[f"v{i}" for i in range(8)])
    found = compare(*pick_two([str(folder)]), draws=500)
    by_name = {row.name: row for row in (*found.headline, *found.families)}
    assert by_name["mPC"].interval.value == pytest.approx(10, abs=1.5)
    assert by_name["mPC"].interval.excludes_zero and by_name["mPC"].p < 0.05
    assert abs(by_name["drop"].interval.value) < 1.5
    assert set(dict(found.corruptions)) == {"fog", "shot_noise"} and len(found.by_video) == 8


def test_compare_across_runs_uses_what_they_share(run_folder: Make) -> None:
    small = run_folder("small", models=["one"], videos=["a", "b"])
    large = run_folder("large", models=["one"], gap=-0.2)
    found = compare(*pick_two([str(small), f"{large}:one"]), draws=200)
    assert found.videos == 2 and {found.a, found.b} == {"one (A)", "one (B)"}
    with pytest.raises(UsageError, match="no model"):
        pick_two([str(small), f"{large}:three"])


def test_compare_checks_the_data_where_it_can(run_folder: Make) -> None:
    one, two = (results_of(run_folder(name, models=["one"], videos=["a", "b"]))[0] for name in ("one", "two"))
    other = {**two.manifest.dataset, "index_sha256": "11" * 32}
    changed = msgspec.structs.replace(two, manifest=msgspec.structs.replace(two.manifest, dataset=other))
    assert compare(one, two, draws=200).note == ""
    with pytest.raises(UsageError, match=r"cannot be compared: they differ in data\."):
        compare(one, changed, draws=200)
    # The digest of a run over fewer videos says nothing about those in common.
    more = results_of(run_folder("more", models=["one"]))[0]
    assert "could not be checked" in compare(more, changed, draws=200).note
