"""Pages come from runs only, never mix versions, and show what is missing."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from robust_vos_bench.analysis.compare import compare, pick_two
from robust_vos_bench.analysis.leaderboard import build_page, overlap
from robust_vos_bench.analysis.matrix import read_matrix
from robust_vos_bench.analysis.naming import preset_words
from robust_vos_bench.analysis.packing import results_of
from robust_vos_bench.analysis.result import read_result, write_result
from robust_vos_bench.analysis.summary import summarise
from robust_vos_bench.conditions import CLEAN, Condition, load_preset
from robust_vos_bench.datasets.images import write_mask
from robust_vos_bench.errors import DataError, IncompleteError, UsageError
from robust_vos_bench.reports.leaderboard_files import leaderboard
from robust_vos_bench.reports.markdown import END, START
from robust_vos_bench.reports.pack import pack_masks, pack_result
from robust_vos_bench.runs.records import ConditionRecord, ObjectRecord, PresetRecord
from robust_vos_bench.runs.store import RunStore

Make = Callable[..., Path]


def test_a_page_ranks_and_can_be_refreshed(run_folder: Make, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    (page,) = leaderboard(run_folder(gap=0.1), output=boards)
    text = (boards / f"{page.name}.md").read_text()
    assert text.count(START) == text.count(END) == 1
    assert [row.result.model for row in page.rows] == ["one", "two"]
    assert [row.rank.rank for row in page.rows if row.rank] == [1, 2]
    (boards / f"{page.name}.md").write_text("My words.\n" + text + "\nMore words.\n")
    leaderboard(output=boards)
    again = (boards / f"{page.name}.md").read_text()
    assert again == "My words.\n" + text + "\nMore words.\n"
    facts = json.loads((boards / f"{page.name}.json").read_text())
    assert facts["rows"][0]["run"] == "0badc0de" and facts["rows"][0]["P"] == pytest.approx(90, abs=2)
    assert f"{page.name}.md" in (boards / "README.md").read_text()


def test_models_that_cannot_be_told_apart_share_the_interval_of_their_ranks(run_folder: Make, tmp_path: Path) -> None:
    (page,) = leaderboard(run_folder(videos=[f"v{i}" for i in range(12)]), output=tmp_path / "boards")
    assert {str(row.rank) for row in page.rows} == {"1 (1 to 2)", "2 (1 to 2)"}


def test_missing_cells_are_shown_and_not_ranked(run_folder: Make, tmp_path: Path) -> None:
    (page,) = leaderboard(run_folder(missing=[("one", "fog-5", "b")], gap=0.1), output=tmp_path / "boards")
    last = page.rows[-1]
    assert last.result.model == "one" and last.rank is None
    assert "| – | one | " in (tmp_path / "boards" / f"{page.name}.md").read_text()
    assert "n/a" in (tmp_path / "boards" / f"{page.name}.md").read_text()


def test_recipe_weights_are_refused(run_folder: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="untrained"):
        leaderboard(run_folder(checkpoint="random"), output=tmp_path / "boards")


def test_other_protocol_versions_are_refused(run_folder: Make, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    leaderboard(run_folder("old", models=["one"]), output=boards)
    with pytest.raises(UsageError, match="protocol"):
        leaderboard(run_folder("new", models=["two"], protocol="2"), output=boards)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    "settings", [{"protocol": "2"}, {"conditions": [("", 0, "")]}, {"missing": [("one", "fog-5", "b")]}]
)
def test_what_is_refused_spoils_nothing(run_folder: Make, tmp_path: Path, settings: dict[str, Any]) -> None:
    boards = tmp_path / "boards"
    leaderboard(run_folder("good"), output=boards)
    before = _files(boards)
    with pytest.raises(UsageError):
        leaderboard(run_folder("bad", models=["one"], **settings), output=boards)
    assert _files(boards) == before


def test_an_object_of_its_prompt_only_is_in_no_mean(run_folder: Make) -> None:
    folder = run_folder(models=["one"])
    store = RunStore(folder)
    before = read_matrix(store, store.manifest())  # type: ignore[arg-type]
    alone = ObjectRecord(2, 0, None, None, None, None, None, None)
    for label in ("clean", "fog-1", "fog-5", "shot_noise-3"):
        for video, objects in (("a", 2), ("c", 1)):  # a has another object besides, c has none
            record = store.records(label, "one")[video]
            own = (*record.objects, alone) if objects == 2 else (alone,)
            store.add(msgspec.structs.replace(record, objects=own))
    after = read_matrix(store, store.manifest())  # type: ignore[arg-type]
    assert after.unscored == (("a", 2), ("c", 2)) and after.videos == ("a", "b") and after.unscored_videos == ("c",)
    assert after.objects == (("a", 1), ("b", 1)) and not after.missing_videos
    assert np.array_equal(after.jf, before.jf[:, :, :2])
    assert not np.isnan(summarise(after)[0].mpc)


def without_truth(folder: Path, videos: str, failed: bool = False) -> Path:
    """Take the scores of some videos away: their data has but a prompt. failed: the last condition fails on them."""
    store = RunStore(folder)
    manifest = store.manifest()
    assert manifest is not None
    for model in manifest.models:
        for condition in manifest.conditions:
            last = failed and condition is manifest.conditions[-1]
            for record in store.records(condition.label, model.name).values():
                if record.video in videos:
                    record = msgspec.structs.replace(record, objects=(), status="failed" if last else "ok")
                    store.add(record)
    return folder


@pytest.mark.parametrize("failed", [False, True])
def test_a_video_without_truth_is_in_no_mean_and_no_draw(run_folder: Make, tmp_path: Path, failed: bool) -> None:
    """A draw of that video alone would be 0 / 0; and that it failed somewhere takes no score away."""
    folder = without_truth(run_folder(gap=0.1, videos="abcp"), "p", failed)
    (page,) = leaderboard(folder, output=tmp_path / "boards")
    text = (tmp_path / "boards" / f"{page.name}.md").read_text()
    assert "· 3 videos, 3 objects" in text and "1 video without truth after the prompt" in text
    assert all(row.rank and not np.isnan(row.scores.interval("mPC").low) for row in page.rows)
    found = compare(*pick_two([str(folder)]))
    assert found.videos == 3 and not np.isnan(found.headline[0].interval.low) and found.headline[0].p == 0.25
    assert "1 video without truth" in found.note
    if not failed:
        packed = [pack_result(folder, model, tmp_path / f"{model}.json.gz") for model in ("one", "two")]
        assert compare(*pick_two([str(path) for path in packed])).headline == found.headline


def test_a_video_that_nobody_could_do_is_still_missing(run_folder: Make) -> None:
    missing = [("one", label, "b") for label in ("clean", "fog-1", "fog-5", "shot_noise-3")]
    store = RunStore(run_folder(models=["one"], missing=missing))
    matrix = read_matrix(store, store.manifest())  # type: ignore[arg-type]
    assert matrix.videos == ("a", "b", "c") and not matrix.complete.any() and not matrix.unscored_videos


def test_runs_without_any_score_are_not_ranked(run_folder: Make, tmp_path: Path) -> None:
    folder = without_truth(run_folder(), "abc")
    for refused in (
        lambda: leaderboard(folder, output=tmp_path / "boards"),
        lambda: pack_result(folder, "one", tmp_path / "p"),
    ):
        with pytest.raises(DataError, match="no scored video, so there is nothing to rank"):
            refused()
    assert not (tmp_path / "boards").exists() and not (tmp_path / "p").exists()
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(*pick_two([str(folder)]))


def test_other_videos_never_share_a_page(run_folder: Make, tmp_path: Path) -> None:
    """Neither as many others, nor fewer where the split's size does not tell."""
    for name, videos in (("others", ["a", "b", "x"]), ("fewer", ["a", "b"])):
        first = results_of(run_folder(f"{name}-1", models=["one"]))[0]
        second = results_of(run_folder(f"{name}-2", models=["two"], videos=videos))[0]
        with pytest.raises(UsageError, match="differ in videos"):
            build_page([first, second])


def test_a_part_of_a_split_says_so(run_folder: Make, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    (page,) = leaderboard(run_folder(split=20), output=boards)
    assert "--part-" in page.name
    assert "3 of the 20 videos" in (boards / f"{page.name}.md").read_text()
    assert json.loads((boards / f"{page.name}.json").read_text())["videos_in_split"] == 20


def test_one_model_with_two_weights_is_refused_at_once_and_replaced_later(run_folder: Make, tmp_path: Path) -> None:
    one, two = (run_folder(w, models=["one"], checkpoint="w.pth", weights=w) for w in ("aa", "bb"))
    with pytest.raises(UsageError, match="'one' is there twice"):
        leaderboard(one, two, output=tmp_path / "boards")
    assert not (tmp_path / "boards").exists()
    leaderboard(one, output=tmp_path / "boards")
    (page,) = leaderboard(two, output=tmp_path / "boards")
    assert [row.result.manifest.models[0].weights_sha256[:2] for row in page.rows] == ["bb"]


def test_other_seeds_get_a_page_of_their_own(run_folder: Make, tmp_path: Path) -> None:
    pages = leaderboard(run_folder("s0"), run_folder("s1", seed=1), output=tmp_path / "boards")
    assert len(pages) == 2 and any("seed1" in page.name for page in pages)


def test_a_packed_result_comes_back_whole(run_folder: Make, tmp_path: Path) -> None:
    path = pack_result(run_folder(), "two", tmp_path / "two.json.gz")
    first = path.read_bytes()
    result = read_result(path)
    assert result.model == "two" and result.complete
    assert result.manifest.dataset.root == "" and result.manifest.dataset.place is msgspec.UNSET
    write_result(path, result)
    assert path.read_bytes() == first
    assert len(leaderboard(path, output=tmp_path / "boards")[0].rows) == 1


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


def test_masks_are_packed_whole_or_not_at_all(run_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_folder(models=["one"], videos=["a"])
    masks = RunStore(folder).masks_path("clean", "one", "a")
    masks.mkdir(parents=True)
    for t in range(6):
        write_mask(masks / f"{t:05d}.png", np.ones((4, 4), np.uint8))
    path = pack_masks(folder, "clean", output=folder / "new" / "deep" / "masks.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"Annotations/a/{t:05d}.png" for t in range(6)]
    with pytest.raises(DataError, match=r"run\.json: cannot be written: it is a file"):
        pack_masks(folder, "clean", output=folder / "run.json" / "masks.zip")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"masks\.zip: cannot be written: the disk is full"):
        pack_masks(folder, "clean", output=path)
    assert list(path.parent.iterdir()) == [path] and path.read_bytes() == before


def test_training_on_the_test_set_is_marked(run_folder: Make) -> None:
    result = results_of(run_folder())[0]
    assert overlap(result) == ()
    manifest = msgspec.structs.replace(
        result.manifest, dataset=msgspec.structs.replace(result.manifest.dataset, name="davis2017:train")
    )
    assert overlap(msgspec.structs.replace(result, manifest=manifest)) == ("davis2017-train",)


@pytest.mark.parametrize(
    ("preset", "keep", "words"),
    [
        ("common", lambda c: True, "common v1"),
        ("common", lambda c: c.severity == 3, "part of common v1, severity 3"),
        ("common", lambda c: c.severity in (1, 5), "part of common v1, severities 1, 5"),
        ("common", lambda c: c.label == "snow-2-drift", "part of common v1: snow-2-drift"),
        ("common", lambda c: c.corruption == "fog", "part of common v1: fog, severities 1, 2, 3, 4, 5"),
        ("common", lambda c: c.severity == 1 or c.corruption == "fog", "part of common v1"),
        ("custom", lambda c: c.label in ("contrast-5", "fog-1-drift"), "chosen by hand: fog-1-drift, contrast-5"),
        ("custom", lambda c: c.severity == 2, "chosen by hand: 15 corruptions, severity 2"),
        (
            "custom",
            lambda c: dataclasses.replace(c, clean_reference=True) if c.corruption == "snow" else None,
            "chosen by hand: snow, severities 1, 2, 3, 4, 5, clean reference",
        ),
        ("custom", lambda c: False, "chosen by hand"),
    ],
)
def test_a_page_says_what_part_of_a_preset_it_is(
    run_folder: Make, preset: str, keep: Callable[[Condition], bool | Condition | None], words: str
) -> None:
    (result, _) = results_of(run_folder())
    taken = [c if kept is True else kept for c in load_preset("common").conditions(0) if (kept := keep(c))]
    chosen = [ConditionRecord.of(c, "", "") for c in (CLEAN, *taken)]
    record = PresetRecord(name=preset, version=1)
    assert preset_words(msgspec.structs.replace(result.manifest, preset=record, conditions=chosen)) == words


def test_compare_tells_how_much_and_where(run_folder: Make) -> None:
    folder = run_folder(gap=0.1, videos=[f"v{i}" for i in range(8)])
    found = compare(*pick_two([str(folder)]))
    by_name = {row.name: row for row in (*found.headline, *found.families)}
    assert by_name["mPC"].interval.value == pytest.approx(10, abs=1.5)
    assert by_name["mPC"].interval.excludes_zero and by_name["mPC"].p < 0.05
    assert abs(by_name["drop"].interval.value) < 1.5
    assert set(dict(found.corruptions)) == {"fog", "shot_noise"} and len(found.by_video) == 8


def test_compare_across_runs_uses_what_they_share(run_folder: Make) -> None:
    small = run_folder("small", models=["one"], videos=["a", "b"])
    large = run_folder("large", models=["one"], gap=-0.2)
    found = compare(*pick_two([str(small), f"{large}:one"]))
    assert found.videos == 2 and {found.a, found.b} == {"one (A)", "one (B)"}
    with pytest.raises(UsageError, match="no model"):
        pick_two([str(small), f"{large}:three"])


def test_compare_checks_the_data_where_it_can(run_folder: Make) -> None:
    one, two = (results_of(run_folder(name, models=["one"], videos=["a", "b"]))[0] for name in ("one", "two"))
    other = msgspec.structs.replace(two.manifest.dataset, index_sha256="11" * 32)
    changed = msgspec.structs.replace(two, manifest=msgspec.structs.replace(two.manifest, dataset=other))
    assert compare(one, two).note == ""
    with pytest.raises(UsageError, match=r"cannot be compared: they differ in data\."):
        compare(one, changed)
    # The digest of a run over other videos says nothing about those in common, however many they are.
    for videos in (["a", "b", "c"], ["b", "c"]):
        others = results_of(run_folder("-".join(videos), models=["one"], videos=videos))[0]
        assert "could not be checked" in compare(others, changed).note


def test_compare_takes_what_two_presets_share(run_folder: Make) -> None:
    one, two = (results_of(run_folder(name, models=["one"]))[0] for name in ("one", "two"))
    common = PresetRecord(name="common", version=1)
    other = msgspec.structs.replace(two, manifest=msgspec.structs.replace(two.manifest, preset=common))
    assert compare(one, other).videos == 3
    newer = [
        msgspec.structs.replace(c, fingerprint="fog/2") if c.label == "fog-1" else c for c in two.manifest.conditions
    ]
    other = msgspec.structs.replace(other, manifest=msgspec.structs.replace(other.manifest, conditions=newer))
    with pytest.raises(UsageError, match="differ in version of corruptions"):
        compare(one, other)


def test_two_data_sets_of_one_name_need_two_folders(run_folder: Make) -> None:
    one, two = (results_of(run_folder(name, models=["one"]))[0] for name in ("one", "two"))
    other = msgspec.structs.replace(two.manifest.dataset, index_sha256="11" * 32)
    two = msgspec.structs.replace(two, manifest=msgspec.structs.replace(two.manifest, dataset=other))
    with pytest.raises(UsageError, match=r"differ in data\. .* two data sets that share a name, .*--output"):
        build_page([one, two])


def test_compare_says_how_much_it_took(run_folder: Make) -> None:
    whole = results_of(run_folder("whole", models=["one"]))[0]
    part = results_of(run_folder("part", models=["two"], conditions=[("", 0, ""), ("fog", 1, "weather")]))[0]
    found = compare(whole, part)
    assert found.note == "Conditions that both runs have: 2, of 4 of A's and 2 of B's."


def test_compare_says_where_the_code_of_a_model_has_changed(run_folder: Make) -> None:
    one, two = results_of(run_folder("one"))
    [model] = one.manifest.models
    later = msgspec.structs.replace(model, name="one[size=2]", model="one", options={"size": 2}, adapter_version="2")
    newer = msgspec.structs.replace(one, manifest=msgspec.structs.replace(one.manifest, models=[later]))
    newer = msgspec.structs.replace(
        newer, records=tuple(msgspec.structs.replace(r, model=later.name) for r in one.records)
    )
    assert "one by two versions of its adapter (v1, v2)" in compare(one, newer).note
    other = msgspec.structs.replace(two.manifest.models[0], adapter_version="2")
    two = msgspec.structs.replace(two, manifest=msgspec.structs.replace(two.manifest, models=[other]))
    assert compare(one, two).note == ""  # two models have versions of their own


def test_compare_lists_what_is_known_in_order_whatever_is_missing(run_folder: Make) -> None:
    conditions = [("", 0, ""), *((name, 3, "noise") for name in ("a", "b", "c", "d"))]
    one = results_of(run_folder("one", models=["one"], conditions=conditions, missing=[("one", "b-3", "a")]))[0]
    two = results_of(run_folder("two", models=["two"], conditions=conditions, gap=0.1))[0]
    values = [value for _, value in compare(one, two).corruptions]
    assert np.isnan(values[-1]) and values[:-1] == sorted(values[:-1]) and len(values) == 4
