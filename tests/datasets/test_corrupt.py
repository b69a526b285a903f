"""`corrupt`: what is written reads back as exactly what a run sees, in the layout of the input, and resumes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dataset_files import boxes, numbers, write_video
from PIL import Image

from robust_vos_bench.cli import main
from robust_vos_bench.conditions import (
    CORRUPTIONS,
    Condition,
    Draw,
    corrupt_truth,
    corrupt_video,
    corruptions,
    find_corruption,
    select,
)
from robust_vos_bench.conditions.corruption import Corruption
from robust_vos_bench.corrupted.split import MANIFEST, WrittenVideo, write_splits
from robust_vos_bench.corrupted.write import _with_prompt
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.datasets.images import read_frame, write_mask
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.registry import Item


def write(data: Dataset, conditions: list[Condition], output: Path, **options: object) -> list[WrittenVideo]:
    return list(write_splits(data, conditions, output, **options))  # type: ignore[arg-type]


def chosen(*names: str, severity: int = 3) -> list[Condition]:
    return select(names, [severity])[0]


def assert_same(data: Dataset, copy: Dataset, condition: Condition) -> None:
    """Frames, prompts and truth of the written split are those that a run makes on the fly."""
    assert list(copy.videos) == list(data.videos)
    for name in data.videos:
        clean = data.video(name)
        video, back = corrupt_video(clean, condition), copy.video(name)
        assert back.frame_names == video.frame_names and len(back) == len(video)
        assert all(np.array_equal(a, b) for a, b in zip(video.frames, back.frames))
        assert set(back.prompts) == set(video.prompts)
        assert all(np.array_equal(back.prompts[t], video.prompts[t]) for t in video.prompts)
        truth, again = data.truth(name), copy.truth(name)
        assert (truth is None) == (again is None)
        if truth is None or again is None:
            continue
        moved = corrupt_truth(truth, condition, clean)
        for t in range(len(truth)):
            a, b = moved.masks[t], again.masks[t]
            assert (a is None) == (b is None)
            if a is not None and b is not None and t not in video.prompts:
                assert np.array_equal(a, b)


CASES = [
    ("davis2017", "davis2017:val"),
    ("davis2016", "davis2016:val"),
    ("davis2017", "davis2017:test-dev"),
    ("youtubevos", "youtubevos2019:valid"),
    ("youtubevos", "youtubevos2019:valid_all_frames"),
    ("youtubevos", "youtubevos2019:train"),
]


@pytest.mark.parametrize(("layout", "spec"), CASES)
def test_reads_back_as_a_run_sees_it(layout: str, spec: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data = open_dataset(spec, request.getfixturevalue(layout))
    for condition in chosen("gaussian_noise", "elastic_transform"):
        write(data, [condition], tmp_path / "out")
        folder = tmp_path / "out" / condition.label
        assert_same(data, open_dataset(spec, folder), condition)
        manifest = json.loads((folder / MANIFEST).read_text())
        assert manifest["status"] == "complete" and manifest["dataset"] == spec
        assert manifest["condition"] == condition.to_dict()
        for entry in manifest["videos"].values():
            for path, digest in entry["files"].items():
                assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == digest


def test_demo_becomes_a_plain_folder(tmp_path: Path) -> None:
    data = open_dataset("demo", videos=["visitor"])
    (condition,) = chosen("gaussian_noise")
    write(data, [condition], tmp_path)
    assert_same(data, open_dataset("folder", tmp_path / condition.label), condition)


def test_moved_masks_move_on_disk_too(davis2016: Path, tmp_path: Path) -> None:
    (condition,) = chosen("elastic_transform", severity=5)
    assert find_corruption("elastic_transform").move_mask is not None
    data = open_dataset("davis2016:val", davis2016)
    write(data, [condition], tmp_path)
    path = tmp_path / condition.label / "Annotations/480p/swan/00001.png"
    with Image.open(path) as image:
        values = set(np.unique(np.asarray(image)).tolist())
    assert values == {0, 255}, "still a 0 / 255 mask, as the layout has it"
    assert path.read_bytes() != (davis2016 / "Annotations/480p/swan/00001.png").read_bytes()


def test_untouched_annotations_are_copied_byte_for_byte(davis2017: Path, tmp_path: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    (condition,) = chosen("brightness")
    write(data, [condition], tmp_path)
    for path in (davis2017 / "Annotations/480p/dog").iterdir():
        copy = tmp_path / condition.label / "Annotations/480p/dog" / path.name
        assert copy.read_bytes() == path.read_bytes()
    lists = tmp_path / condition.label / "ImageSets/2017/val.txt"
    assert lists.read_text() == (davis2017 / "ImageSets/2017/val.txt").read_text()


def test_lists_are_cut_to_the_videos_that_are_written(davis2017: Path, youtubevos: Path, tmp_path: Path) -> None:
    (condition,) = chosen("brightness")
    write(open_dataset("davis2017:val", davis2017, limit=1), [condition], tmp_path / "a")
    assert (tmp_path / "a" / condition.label / "ImageSets/2017/val.txt").read_text() == "dog\n"
    write(open_dataset("youtubevos2019:valid", youtubevos), [condition], tmp_path / "b")
    meta = json.loads((tmp_path / "b" / condition.label / "valid/meta.json").read_text())
    assert set(meta["videos"]) == {"0a1b"}


def test_folder_splits_keep_their_place(tmp_path: Path) -> None:
    write_video(tmp_path / "in/valid", "a", {s: boxes([3], t) for t, s in enumerate(numbers(3))}, numbers(3))
    data = open_dataset("folder:valid", tmp_path / "in")
    (condition,) = chosen("contrast")
    write(data, [condition], tmp_path / "out")
    assert (tmp_path / "out" / condition.label / "valid/JPEGImages/a/00000.png").is_file()
    assert_same(data, open_dataset("folder:valid", tmp_path / "out" / condition.label), condition)


def test_damaged_prompts_are_written_into_the_first_mask(davis2017: Path, tmp_path: Path) -> None:
    names = [name for name, spec in corruptions().items() if spec.scope == "prompt"]
    if not names:
        pytest.skip("no corruption of prompts is registered")
    data = open_dataset("davis2017:val", davis2017)
    condition = chosen(names[0])[0]
    write(data, [condition], tmp_path)
    assert_same(data, open_dataset("davis2017:val", tmp_path / condition.label), condition)


def test_jpg_is_close_and_keeps_names(davis2017: Path, tmp_path: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    (condition,) = chosen("brightness")
    write(data, [condition], tmp_path, format="jpg")
    exact = list(corrupt_video(data.video("dog"), condition).frames)
    path = tmp_path / condition.label / "JPEGImages/480p/dog/00001.jpg"
    with Image.open(path) as image:
        assert image.format == "JPEG"
    difference = np.abs(read_frame(path).astype(int) - exact[1])
    assert 0 < difference.mean() < 1.5


def test_any_number_of_workers_writes_the_same_bytes(davis2017: Path, tmp_path: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    conditions = chosen("gaussian_noise")
    for workers in (1, 2):
        assert all(o.error is None for o in write(data, conditions, tmp_path / str(workers), workers=workers))
    one, two = ((tmp_path / w / conditions[0].label / MANIFEST).read_text() for w in "12")
    assert one == two


def test_the_same_command_keeps_what_is_there_and_mends_what_is_torn(davis2017: Path, tmp_path: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    conditions = chosen("gaussian_noise")
    write(data, conditions, tmp_path)
    folder = tmp_path / conditions[0].label
    stamp = (folder / "JPEGImages/480p/bear/00001.png").stat().st_mtime_ns
    assert [o.kept for o in write(data, conditions, tmp_path)] == [True, True]
    torn = folder / "JPEGImages/480p/dog/00001.png"
    whole = torn.read_bytes()
    torn.write_bytes(whole[:500])
    (folder / "JPEGImages/480p/dog/stray.png").write_bytes(whole)
    outcomes = {o.task.video: o for o in write(data, conditions, tmp_path)}
    assert outcomes["bear"].kept and not outcomes["dog"].kept and torn.read_bytes() == whole
    assert (folder / "JPEGImages/480p/bear/00001.png").stat().st_mtime_ns == stamp
    assert not (folder / "JPEGImages/480p/dog/stray.png").exists()
    (folder / "Annotations/480p/dog/00002.png").unlink()
    assert [o.kept for o in write(data, conditions, tmp_path)] == [False, True]
    write_mask(davis2017 / "Annotations/480p/bear/00003.png", boxes([1, 2], 1))
    again = open_dataset("davis2017:val", davis2017)
    assert {o.task.video: o.kept for o in write(again, conditions, tmp_path)} == {"dog": True, "bear": False}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a split."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_fewer_videos_take_nothing_away(davis2017: Path, youtubevos: Path, tmp_path: Path) -> None:
    conditions = chosen("brightness")
    folder = tmp_path / conditions[0].label
    write(open_dataset("davis2017:val", davis2017), conditions, tmp_path)
    before = contents(folder)
    for some in (
        open_dataset("davis2017:val", davis2017, limit=1),
        open_dataset("davis2017:val", davis2017, videos=["bear"]),
    ):
        assert [o.kept for o in write(some, conditions, tmp_path)] == [True]
        assert contents(folder) == before
        stopped = write_splits(some, conditions, tmp_path)
        next(stopped)
        stopped.close()
        write(some, conditions, tmp_path)
        assert contents(folder) == before, "nor where the smaller command is stopped before its end"
    (folder / "JPEGImages/480p/bear/00001.png").write_bytes(b"torn")
    write(open_dataset("davis2017:val", davis2017, limit=1), conditions, tmp_path)
    assert (folder / "ImageSets/2017/val.txt").read_text() == "dog\n", "a damaged one is not listed as if it were whole"


def test_lists_keep_names_with_spaces(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in ("my video", "my", "v2"):
        write_video(root, name, {s: boxes([1], t) for t, s in enumerate(numbers(2))}, numbers(2))
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "val.txt").write_text("my video\nmy\nv2\n")
    (condition,) = chosen("brightness")
    data = open_dataset("folder:val", root)
    write(data, [condition], tmp_path / "out")
    assert_same(data, open_dataset("folder:val", tmp_path / "out" / condition.label), condition)
    for name in data.videos:  # as each is shipped to a node by itself
        alone = open_dataset("folder:val", root, videos=[name])
        assert isinstance(alone, FolderDataset)
        assert list(alone.list_files().values()) == [f"{name}\n".encode()]


def test_one_video_after_the_other_makes_the_whole_split(tmp_path: Path) -> None:
    (condition,) = chosen("brightness")
    for place, choices in (("whole", [["herd", "visitor"]]), ("parts", [["visitor"], ["herd"]])):
        for names in choices:
            write(open_dataset("demo", videos=names), [condition], tmp_path / place)
    whole, parts = (json.loads((tmp_path / p / condition.label / MANIFEST).read_text()) for p in ("whole", "parts"))
    assert whole == parts and whole["status"] == "complete"


def test_a_grown_late_prompt_leaves_older_objects_alone(tmp_path: Path) -> None:
    def scene(t: int) -> np.ndarray:
        mask = np.zeros((48, 64), np.uint8)
        mask[10:30, 10:30] = 1
        if t >= 2:
            mask[10:30, 30:50] = 2
        return mask

    write_video(tmp_path / "in", "a", {s: scene(t) for t, s in enumerate(numbers(4))}, numbers(4))
    data = open_dataset("folder", tmp_path / "in")
    (condition,) = chosen("prompt_dilation", severity=5)
    write(data, [condition], tmp_path / "out")
    copy, truth = open_dataset("folder", tmp_path / "out" / condition.label), data.truth("a")
    assert truth is not None and truth.masks[2] is not None
    shown = corrupt_video(data.video("a"), condition).prompts[2] == 2
    back = copy.video("a").prompts[2] == 2
    assert (shown & (scene(2) == 1)).any(), "the prompt does grow over the older object"
    again = copy.truth("a")
    assert again is not None and np.array_equal(again.masks[2] == 1, scene(2) == 1)
    assert np.array_equal(back, shown & (scene(2) != 1))


def test_an_object_of_a_prompt_is_never_lost() -> None:
    mask, prompt = np.ones((4, 6), np.uint8), np.zeros((4, 6), np.uint8)
    prompt[1, 2] = 7
    assert (_with_prompt(mask, prompt) == 7).sum() == 1


def test_a_bad_video_does_not_stop_the_others(davis2017: Path, tmp_path: Path) -> None:
    (davis2017 / "JPEGImages/480p/dog/00001.jpg").write_bytes(b"x")
    data = open_dataset("davis2017:val", davis2017)
    conditions = chosen("brightness")
    outcomes = {o.task.video: o for o in write(data, conditions, tmp_path)}
    assert outcomes["bear"].record is not None and "dog/00001.jpg" in str(outcomes["dog"].error)
    assert json.loads((tmp_path / conditions[0].label / MANIFEST).read_text())["status"] == "incomplete"


def test_a_corruption_that_raises_does_not_stop_the_others(
    davis2017: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(frame: np.ndarray, severity: float, draw: Draw) -> np.ndarray:
        if draw.video == "dog":
            raise ValueError("not today")
        return frame

    monkeypatch.setitem(CORRUPTIONS.builtin(), "boom", Item(Corruption("boom", "test", boom)))
    data = open_dataset("davis2017:val", davis2017)
    outcomes = {o.task.video: o for o in write(data, [Condition("boom", 1)], tmp_path)}
    assert outcomes["bear"].record is not None
    assert "corruption boom-1 failed on video 'dog' at frame 0: ValueError: not today" in str(outcomes["dog"].error)
    monkeypatch.setattr(type(data), "video", lambda self, name: 1 / 0)
    found = [str(o.error) for o in write(data, chosen("brightness"), tmp_path)]
    assert [error.partition(" (")[0] for error in found] == ["ZeroDivisionError: division by zero"] * 2


def test_other_folders_are_left_alone(davis2017: Path, tmp_path: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    conditions = chosen("brightness")
    label = conditions[0].label
    (tmp_path / "a" / label).mkdir(parents=True)
    (tmp_path / "a" / label / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="not written by rvos-bench"):
        write(data, conditions, tmp_path / "a")
    shutil.copytree(davis2017, tmp_path / "b" / label)
    inside = open_dataset("davis2017:val", tmp_path / "b" / label)
    with pytest.raises(DataError, match="is the folder of the data set itself"):
        write(inside, conditions, tmp_path / "b")
    write(data, conditions, tmp_path / "c")
    with pytest.raises(DataError, match="holds another split"):
        write(data, conditions, tmp_path / "c", format="jpg")


@pytest.mark.parametrize("stopped", [False, True])
def test_videos_of_another_root_are_not_mixed_in(tmp_path: Path, stopped: bool) -> None:
    for root, names in (("a", ("x", "y")), ("b", ("y", "z"))):
        for name in names:
            write_video(tmp_path / root, name, {s: boxes([1], t) for t, s in enumerate(numbers(2))}, numbers(2))
    (condition,) = chosen("brightness")
    first = write_splits(open_dataset("folder", tmp_path / "a"), [condition], tmp_path / "out")
    next(first)
    if stopped:
        first.close()
    else:
        list(first)
    before = contents(tmp_path / "out")
    with pytest.raises(DataError, match=r"holds videos that .*b has not \(x\); choose another --output"):
        write(open_dataset("folder", tmp_path / "b"), [condition], tmp_path / "out")
    assert contents(tmp_path / "out") == before
    write(open_dataset("folder", tmp_path / "a", limit=1), [condition], tmp_path / "out")


def test_two_commands_in_one_folder(davis2017: Path, tmp_path: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    conditions = chosen("brightness", "contrast")
    first = write_splits(data, conditions[:1], tmp_path)
    next(first)
    with pytest.raises(UsageError, match="being written by another"):
        write(data, conditions[:1], tmp_path)
    assert all(o.record for o in write(data, conditions[1:], tmp_path)), "another condition is another folder"
    list(first)
    assert all(o.kept for o in write(data, conditions, tmp_path))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    out = capsys.readouterr()
    return int(done.value.code or 0), out.out, out.err


def test_command_line(davis2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["corrupt", "-d", "davis2017:val", "--data-root", davis2017, "-c", "contrast", "-s", "1,3", "-w", 1]
    code, out, _ = run(capsys, *common, "-o", tmp_path / "out", "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0 and [row["there"] for row in plan["conditions"]] == [0, 0] and not (tmp_path / "out").exists()
    code, out, err = run(capsys, *common, "-o", tmp_path / "out", "--json")
    report = json.loads(out)
    assert code == 0 and report["written"] == 4 and set(report["folders"]) == {"contrast-1", "contrast-3"}
    code, _, err = run(capsys, *common, "-o", tmp_path / "out", "--format", "jpg", "--dry-run")
    assert code == 4 and "holds another split" in err
    code, out, err = run(capsys, *common, "-o", tmp_path / "out")
    assert code == 0 and "0 videos written, 4 were there already" in err and "contrast-3" in out


def test_command_line_mistakes(davis2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["corrupt", "-d", "davis2017:val", "--data-root", davis2017]
    assert run(capsys, *base, "-o", tmp_path)[0] == 2
    code, _, err = run(capsys, *base, "-c", "contrast")
    assert code == 2 and "--output" in err
    code, _, err = run(capsys, *base, "-c", "contrats", "-o", tmp_path)
    assert code == 2 and "'contrast'" in err
    code, _, err = run(capsys, *base, "-c", "contrast", "-s", 6, "-o", tmp_path)
    assert code == 2 and "1..5" in err
    (tmp_path / "file").touch()
    code, _, err = run(capsys, *base, "-c", "contrast", "-s", 1, "-o", tmp_path / "file")
    assert code == 4 and "file" in err and "Traceback" not in err
    (davis2017 / "JPEGImages/480p/dog/00001.jpg").unlink()
    code, _, err = run(capsys, *base, "-c", "contrast", "-s", 1, "-o", tmp_path / "half", "-w", 1)
    assert code == 3 and "dog/00001.jpg" in err


def test_preview(davis2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["corrupt", "-d", "davis2017:val", "--data-root", davis2017, "-c", "contrast", "-s", "1,5", "--preview"]
    code, out, _ = run(capsys, *base, "-o", tmp_path / "sheet.png")
    assert code == 0 and out.strip() == str(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.width > 3 * 64
    code, out, err = run(capsys, *base, "-o", tmp_path / "more.png", "--dry-run")
    assert code == 2 and "--dry-run" in err and not (tmp_path / "more.png").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_output(davis2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ro").mkdir(mode=0o555)
    base = ["corrupt", "-d", "davis2017:val", "--data-root", davis2017, "-c", "contrast", "-s", 1]
    code, _, err = run(capsys, *base, "-o", tmp_path / "ro" / "out")
    assert code == 4 and "no permission" in err


def mount(place: Path, options: str) -> bool:
    """Mount a small tmpfs; False where that is not permitted."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return shutil.which("mount") is not None and subprocess.run(words, capture_output=True).returncode == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_full_disk(davis2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int) -> None:
    if not mount(tmp_path / "disk", "size=64k"):
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        base = ["corrupt", "-d", "davis2017:val", "--data-root", davis2017, "-c", "gaussian_noise", "-w", workers]
        code, _, err = run(capsys, *base, "-o", tmp_path / "disk" / "out")
        assert code == 4 and "disk is full" in err and "Traceback" not in err
        parts = [p for p in (tmp_path / "disk").rglob("*") if p.name.endswith(".part")]
        assert not parts
    finally:
        subprocess.run(["umount", str(tmp_path / "disk")], check=True)


def test_read_only_disk(davis2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not mount(tmp_path / "disk", "size=64k,ro"):
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        base = ["corrupt", "-d", "davis2017:val", "--data-root", davis2017, "-c", "contrast", "-s", 1]
        code, _, err = run(capsys, *base, "-o", tmp_path / "disk" / "out")
        assert code == 4 and "read-only" in err
    finally:
        subprocess.run(["umount", str(tmp_path / "disk")], check=True)


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again(tmp_path: Path) -> None:
    """kill -9 at different moments, the same command again: the split is that of an undisturbed run."""
    words = [sys.executable, "-m", "robust_vos_bench.cli", "corrupt", "-c", "gaussian_noise", "-s", "1,5", "-w", "2"]
    subprocess.run([*words, "-o", str(tmp_path / "whole")], check=True, capture_output=True)
    for moment in range(8):
        process = subprocess.Popen(
            [*words, "-o", str(tmp_path / "torn")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(1.5 + 0.7 * moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run([*words, "-o", str(tmp_path / "torn")], check=True, capture_output=True)
    files = {p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file()}
    found = {
        p.relative_to(tmp_path / "torn")
        for p in (tmp_path / "torn").rglob("*")
        if p.is_file() and not p.name.endswith(".part")
    }
    assert found == files
    assert all((tmp_path / "torn" / f).read_bytes() == (tmp_path / "whole" / f).read_bytes() for f in files)
