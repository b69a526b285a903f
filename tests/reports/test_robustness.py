"""Recovery, stability and lost objects: from frames and masks of a run to every table, and missing where they are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from robust_vos_bench import load_run
from robust_vos_bench.analysis.object_stats import ObjectStats, burst_frames, burst_of, object_stats
from robust_vos_bench.analysis.packing import results_of
from robust_vos_bench.analysis.result import checksum, read_result, write_result
from robust_vos_bench.cli.report import command as report
from robust_vos_bench.conditions import Condition, corrupt_video
from robust_vos_bench.datasets import Video
from robust_vos_bench.datasets.images import write_mask
from robust_vos_bench.errors import DataError
from robust_vos_bench.reports.html import build_report
from robust_vos_bench.reports.leaderboard_files import leaderboard
from robust_vos_bench.runs.records import FrameScores, ObjectRecord
from robust_vos_bench.runs.store import RunStore

Make = Callable[..., Path]
BURST = [("", 0, ""), ("gaussian_noise", 3, "noise"), ("contrast", 5, "digital")]
FRAMES = 30


def rewrite(folder: Path, label: str, j: Callable[[FrameScores], list[float]]) -> None:
    """Replace J by frame of the first model's cell."""
    path = RunStore(folder).frames_path(label, "one")
    tracks = [msgspec.json.decode(line, type=FrameScores) for line in path.read_bytes().splitlines()]
    lines = [msgspec.json.encode(msgspec.structs.replace(t, j=tuple(j(t)))) for t in tracks]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


@pytest.fixture
def burst_run(run_folder: Make) -> Path:
    """Two models, three videos of 30 frames; under the burst model `one` has J 0.8 before, 0.2 in it, 0.4 after."""
    folder = run_folder("burst", conditions=BURST, profile="burst", frames=FRAMES)
    run = load_run(folder)
    rewrite(folder, "clean", lambda track: [0.8] * (FRAMES - 2))
    for record in run.manifest.conditions[1:]:
        condition = burst_of(record)
        assert condition is not None

        def hurt(track: FrameScores, condition: Condition = condition) -> list[float]:
            hit = burst_frames(condition, run.manifest, track.video, FRAMES)
            return [0.8 if t < hit.start else 0.2 if t in hit else 0.4 for t in range(1, FRAMES - 1)]

        rewrite(folder, condition.label, hurt)
    return folder


def test_the_burst_is_where_the_frames_say(burst_run: Path) -> None:
    manifest = load_run(burst_run).manifest
    rng = np.random.default_rng(0)
    clip = [rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)] * FRAMES
    for record in manifest.conditions[1:]:
        condition = burst_of(record)
        assert condition is not None
        for name in manifest.videos:
            video = Video.from_arrays(clip, np.ones((16, 16), np.uint8), name=name)
            object.__setattr__(video, "dataset", manifest.dataset.name)
            changed = [
                t for t, (a, b) in enumerate(zip(clip, corrupt_video(video, condition).frames)) if (a != b).any()
            ]
            hit = burst_frames(condition, manifest, name, FRAMES)
            assert changed[0] >= hit.start and changed[-1] < hit.stop and len(hit) - len(changed) <= 2


def test_frames_that_are_not_annotated_are_not_counted_as_if_they_were(burst_run: Path) -> None:
    """With every third frame scored, a burst is still where it is, and so is the frame at which J is back."""
    run = load_run(burst_run)
    for label in run.conditions:
        path = run.store.frames_path(label, "one")
        tracks = [msgspec.json.decode(line, type=FrameScores) for line in path.read_bytes().splitlines()]
        some = [
            msgspec.structs.replace(t, j=t.j[::3], f=t.f[::3], at=tuple(range(1, FRAMES - 1, 3)), first=1)
            for t in tracks
        ]
        path.write_bytes(b"".join(msgspec.json.encode(t) + b"\n" for t in some))
    assert sorted(set(load_run(burst_run).frames("one")["frame"])) == list(range(1, FRAMES - 1, 3))
    found = [f.recovery for f in object_stats(run.store, run.manifest, "one") if f.recovery is not None]
    assert found
    for r in found:
        assert (r.before, r.during, r.after, r.clean) == pytest.approx((0.8, 0.2, 0.4, 0.8))


def test_frames_are_stored_with_their_numbers_where_some_are_missing() -> None:
    dense = FrameScores("v", 1, 2, (0.5, 0.6), (0.5, 0.6))
    assert list(dense.frames) == [2, 3] and b"at" not in msgspec.json.encode(dense)
    assert list(msgspec.structs.replace(dense, at=(2, 7)).frames) == [2, 7]


def test_recovery_reaches_every_table(burst_run: Path, tmp_path: Path) -> None:
    found = load_run(burst_run).robustness["one"]
    assert found["burst_objects"] > 0
    values = [found[f"burst_{name}"] for name in ("before", "during", "after", "clean", "ratio")]
    assert values == pytest.approx((80, 20, 40, 80, 50))
    assert found["burst_back"] == 0 and math.isnan(found["burst_frames"])
    frame = load_run(burst_run).robustness.frame().set_index("model")
    assert frame.loc["one", "burst_ratio"] == pytest.approx(50)
    assert "Recovery after a burst" in build_report([load_run(burst_run)])
    (page,) = leaderboard(burst_run, output=tmp_path / "boards")
    text = (tmp_path / "boards" / f"{page.name}.md").read_text()
    assert f"| one | {found['burst_objects']} | 80.0 | 20.0 | 40.0 | 80.0 | 50.0 | 0.0 | n/a |" in text
    row = next(
        r for r in json.loads((tmp_path / "boards" / f"{page.name}.json").read_text())["rows"] if r["model"] == "one"
    )
    assert row["beyond"]["burst"]["ratio"] == pytest.approx(50) and row["beyond"]["burst"]["frames"] is None
    done = CliRunner().invoke(report, [str(burst_run), "--json", "--strips", "0", "-o", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)["runs"][0]["models"][0]
    assert shown["beyond"]["burst"]["ratio"] == pytest.approx(50) and shown["intervals"]["noise"][0] is not None


def test_no_burst_no_recovery(run_folder: Make) -> None:
    run = load_run(run_folder())
    assert run.robustness["one"].value("burst_ratio") is None and "Recovery after a burst" not in build_report([run])


def test_another_version_of_a_corruption_has_no_known_burst(burst_run: Path) -> None:
    record = load_run(burst_run).manifest.conditions[1]
    assert burst_of(record) is not None
    assert burst_of(msgspec.structs.replace(record, fingerprint="of another version")) is None
    assert burst_of(msgspec.structs.replace(record, corruption="somebodys_own")) is None


def test_objects_lost_are_counted_where_cells_are_whole(run_folder: Make) -> None:
    folder = run_folder(missing=[("two", "fog-5", "b")])
    rewrite(folder, "fog-5", lambda track: [0.9, 0.05, 0.02, 0.0] if track.video == "a" else [0.9] * 4)
    run = load_run(folder)
    # One of three objects in one of fog's two severities, none under noise.
    one, two = run.robustness
    assert one["lost"] == pytest.approx(100 * (1 / 3 / 2 + 0) / 2) and one["lost_clean"] == 0
    assert math.isnan(two["lost"]) and two["lost_clean"] == 0


def save_masks(folder: Path, widths: dict[str, int]) -> None:
    """Masks of model `one` in every video: the object `widths[label]` columns wide."""
    store = RunStore(folder)
    for label, width in widths.items():
        for video in ("a", "b", "c"):
            place = store.masks_path(label, "one", video)
            place.mkdir(parents=True)
            mask = np.zeros((4, 8), np.uint8)
            mask[:, :width] = 1
            for t in range(6):
                write_mask(place / f"{t:05d}.png", mask)


def test_stability_needs_the_masks_of_every_cell(run_folder: Make) -> None:
    folder = run_folder()
    assert math.isnan(load_run(folder).robustness["one"]["stability"])
    save_masks(folder, {"clean": 8, "fog-1": 8, "fog-5": 4})
    assert math.isnan(load_run(folder).robustness["one"]["stability"])  # noise is missing
    save_masks(folder, {"shot_noise-3": 2})
    # fog: mean of 1 and 1/2, noise: 1/4, then over corruptions.
    assert load_run(folder).robustness["one"]["stability"] == pytest.approx(100 * (0.75 + 0.25) / 2)
    assert math.isnan(load_run(folder).robustness["two"]["stability"])


def test_stability_is_remembered_and_damage_is_named(run_folder: Make) -> None:
    folder = run_folder(models=["one"])
    save_masks(folder, {"clean": 8, "fog-1": 8, "fog-5": 4, "shot_noise-3": 2})
    bad = RunStore(folder).masks_path("fog-5", "one", "b") / "00003.png"
    whole = bad.read_bytes()
    bad.write_bytes(b"torn")
    with pytest.raises(DataError, match=r"fog-5/b/00003\.png: truncated or damaged"):
        _ = load_run(folder).robustness["one"]["stability"]
    bad.write_bytes(whole)
    first = load_run(folder).robustness["one"]["stability"]
    for path in (folder / "masks").rglob("*.png"):
        path.write_bytes(b"torn")
    assert load_run(folder).robustness["one"]["stability"] == first


def test_moved_masks_have_no_stability(run_folder: Make) -> None:
    folder = run_folder(
        models=["one"], conditions=[("", 0, ""), ("elastic_transform", 1, "digital"), ("fog", 1, "weather")]
    )
    save_masks(folder, {"clean": 8, "elastic_transform-1": 2, "fog-1": 4})
    assert load_run(folder).robustness["one"]["stability"] == pytest.approx(50)


def test_object_statistics_travel_with_a_packed_result(burst_run: Path, tmp_path: Path) -> None:
    result = results_of(burst_run)[0]
    path = tmp_path / "one.json.gz"
    write_result(path, result)
    back = read_result(path)
    store = RunStore(burst_run)
    manifest = load_run(burst_run).manifest
    assert back.objects == result.objects == object_stats(store, manifest, "one")
    (page,) = leaderboard(path, output=tmp_path / "boards")
    assert page.rows[0].scores["burst_ratio"] == pytest.approx(50)
    for objects, message in (
        (back.objects[1:], "checksum"),
        ((ObjectStats("fog-9", "a", 1),), "not scored"),
        ((ObjectStats("clean", "a", 1, stability=1.5),), r"outside 0\.\.1"),
    ):
        forged = msgspec.structs.replace(back, objects=objects)
        if message != "checksum":
            forged = msgspec.structs.replace(forged, checksum=checksum(back.manifest, back.records, objects))
        write_result(path, forged)
        with pytest.raises(DataError, match=message):
            read_result(path)


def test_results_of_older_versions_have_no_object_statistics(run_folder: Make, tmp_path: Path) -> None:
    old = results_of(run_folder(), objects=False)[0]
    assert old.checksum == checksum(old.manifest, old.records)
    write_result(tmp_path / "old.json.gz", old)
    (page,) = leaderboard(tmp_path / "old.json.gz", output=tmp_path / "boards")
    found = page.rows[0].scores
    assert math.isnan(found["lost"]) and math.isnan(found["stability"]) and not math.isnan(found["area"])


def test_runs_without_anything_to_tell(run_folder: Make) -> None:
    """Only clean cells, no scored frame, or nothing done at all: a page, no warning, and nothing made up."""
    everything = [(m, c, v) for m in ("one", "two") for c in ("clean", "fog-1", "fog-5", "shot_noise-3") for v in "abc"]
    for name, settings in (
        ("clean", {"conditions": [("", 0, "")]}),
        ("short", {"frames": 2}),
        ("nothing", {"missing": everything}),
    ):
        run = load_run(run_folder(name, **settings))
        found = run.robustness["one"]
        assert math.isnan(found["lost"]) and found.value("burst_ratio") is None, name
        assert ">Beyond the mean</h2>" in build_report([run])


def test_curves_are_those_of_what_is_scored_now(run_folder: Make) -> None:
    """After an edit of the data the files still hold an object that is gone and a video that now fails."""
    folder = run_folder(models=["one"])
    store = RunStore(folder)
    record = store.records("clean", "one")["a"]
    gone = FrameScores("a", 2, 1, (0.5,) * 4, (0.5,) * 4)
    store.add(record, [gone])
    store.add(msgspec.structs.replace(record, video="b", status="failed", objects=(), error="no frame 3"))
    run = load_run(folder)
    frames = run.frames("one", "clean")
    assert set(zip(frames["video"], frames["object"])) == {("a", 1), ("c", 1)}
    assert {(t.video, t.object) for t in run.tracks("one", "clean")} == {("a", 1), ("c", 1)}
    page = build_report([run], video="a")
    assert "over time: a, object 1" in page and "over time: a, object 2" not in page


def test_a_burst_is_not_measured_against_a_clean_unit_that_now_fails(burst_run: Path) -> None:
    store, manifest = RunStore(burst_run), load_run(burst_run).manifest
    before = {f.video for f in object_stats(store, manifest, "one") if f.recovery is not None}
    record = store.records("clean", "one")[min(before)]
    store.add(msgspec.structs.replace(record, status="failed", objects=(), error="no frame 3"))
    after = {f.video for f in object_stats(store, manifest, "one") if f.recovery is not None}
    assert after == before - {record.video}


def test_names_of_videos_are_text_as_they_stand(run_folder: Make) -> None:
    pandas = pytest.importorskip("pandas")
    folder = run_folder(models=["one"], videos=["001", "NA", "1.50"])
    store = RunStore(folder)
    record = store.records("fog-1", "one")["NA"]  # of a video of two frames: nothing of it is scored
    store.add(msgspec.structs.replace(record, objects=(ObjectRecord(1, 0, None, None, None, None, None, None),)))
    run = load_run(folder)
    assert list(run.scores["video"]) == ["001", "NA", "1.50"] * 4
    assert run.scores["J-Decay"].isna().sum() == 1 and pandas.api.types.is_float_dtype(run.scores["J"])
    assert pandas.api.types.is_integer_dtype(run.scores["object"])
    assert len(run.scores.merge(run.units, on=["model", "condition", "video"])) == 12
