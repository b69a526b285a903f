"""Frames come in natural order whatever they are called, and nothing else becomes one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import boxes, picture, write_video
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.order import ambiguous, in_order, missing_numbers, strays
from robust_vos_bench.datasets.verify import verify
from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.scoring.folder import FolderScorer


@pytest.mark.parametrize(
    "stems",
    [
        [f"frame{t}" for t in range(8, 13)],
        [f"cam2_t{t}_rgb" for t in (1, 2, 9, 10, 11, 100)],
        ["0.5", "2.5", "10.5"],
        ["9.75s", "10.25s", "100.00s"],
        ["-2", "-1", "0", "9", "10"],
        ["Shot 1", "shot 2", "Shot 10"],
        ["a2b1", "a2b10", "a10b2"],
        ["\u0661", "\u0662", "\u0661\u0660"],
        ["eins", "und", "zwei"],
        [f"{t:05d}" for t in range(95, 105)],
    ],
)
def test_natural_order(stems: list[str]) -> None:
    rng = np.random.default_rng(len(stems))
    for _ in range(5):
        assert in_order(rng.permutation(stems).tolist()) == stems
    assert not strays(stems) and ambiguous(stems) is None


@given(st.text("ab_- ", max_size=4), st.integers(0, 9990), st.integers(2, 30), st.text("ab_- ", max_size=3))
def test_any_text_around_a_number(before: str, first: int, count: int, after: str) -> None:
    stems = [f"{before}{first + t}{after}" for t in range(count)]
    if not before.endswith("-"):
        assert in_order(sorted(stems)) == stems
        assert missing_numbers(stems) == [] and strays(stems) == []
        without = stems[: count // 2] + stems[count // 2 + 1 :]
        if 0 < count // 2 < count - 1:
            assert missing_numbers(without, 1) == [stems[count // 2]]


@pytest.mark.parametrize(
    ("stems", "stray"),
    [
        (["0", "1", "2", "preview"], ["preview"]),
        (["00000", "cover"], ["cover"]),
        (["f1", "f2", "f3", "f1_small"], ["f1_small"]),
        (["1", "2", "3", "overlay_2"], ["overlay_2"]),
        (["left_1", "left_2", "right_1", "right_2"], []),
        (["anfang", "ende"], []),
    ],
)
def test_stray_names(stems: list[str], stray: list[str]) -> None:
    assert strays(stems) == stray


def test_order_that_cannot_be_told() -> None:
    assert ambiguous(["1", "01", "2"]) is not None
    assert ambiguous(["1.5", "1.10"]) is not None, "one and a half and one and a tenth, or the tenth of part one?"
    assert ambiguous(["1.05", "1.10", "2.00"]) is None


def test_names_without_zeros_score_in_their_order(tmp_path: Path) -> None:
    """A box that moves one pixel per frame, and a model that is right: any other order of frames is not."""
    stems = [f"img-{t}" for t in range(1, 14)]
    masks = {stem: np.roll(boxes([3], 0), t, axis=1) for t, stem in enumerate(stems)}
    write_video(tmp_path, "clip", masks, stems)
    data = open_dataset("folder", tmp_path)
    video, truth = data.video("clip"), data.truth("clip")
    assert truth is not None and video.frame_names == truth.frame_names == tuple(stems)
    for t, frame in enumerate(video.frames):
        assert np.array_equal(truth.masks[t], masks[stems[t]])
        with Image.open(tmp_path / f"JPEGImages/clip/img-{t + 1}.jpg") as image:
            assert np.array_equal(frame, np.asarray(image))
    score = FolderScorer(data).score(tmp_path / "Annotations")[0]
    assert score.indices == tuple(range(1, 13)) and score.jf == 1.0


def every_refusal(root: Path, name: str = "clip") -> set[str]:
    """What verify, run (the video) and score (the truth) say of a video that they refuse."""
    said = set()
    data = open_dataset("folder", root)
    assert isinstance(data, FolderDataset)
    for ask in (data.video, data.truth):
        with pytest.raises(DataError) as refused:
            ask(name)
        assert refused.value.exit_code == 4
        said.add(str(refused.value))
    problems = verify(data).problems
    assert problems
    return said | {f"{p.file}: {p.what}" for p in problems}


@pytest.mark.parametrize("kind", ["JPEGImages", "Annotations"])
def test_a_stray_picture_is_named_and_no_frame(tmp_path: Path, kind: str) -> None:
    stems = [str(t) for t in range(5)]
    write_video(tmp_path, "clip", {s: boxes([1], t) for t, s in enumerate(stems)}, stems)
    Image.fromarray(picture(9)).save(tmp_path / kind / "clip" / "contact-sheet.png")
    said = every_refusal(tmp_path)
    assert any(f"{tmp_path / kind}/clip/contact-sheet.png: its name does not follow" in text for text in said)


def test_the_same_frame_under_two_numbers(tmp_path: Path) -> None:
    write_video(tmp_path, "clip", {"7": boxes([1])}, ["7", "08", "8"])
    assert any("08.jpg" in text and "8.jpg" in text for text in every_refusal(tmp_path))


@pytest.mark.parametrize("ending", [".webp", ".bmp", ".tif", ".gif"])
def test_pictures_in_other_formats_are_told(tmp_path: Path, ending: str) -> None:
    stems = [f"{t:03d}" for t in range(4)]
    write_video(tmp_path, "clip", {s: boxes([1], t) for t, s in enumerate(stems)}, stems)
    Image.fromarray(picture(2)).save(tmp_path / "JPEGImages/clip" / f"002{ending}")
    (tmp_path / "JPEGImages/clip/002.jpg").unlink()
    said = every_refusal(tmp_path)
    assert any(f"002{ending}: frames are read from .jpg and .png" in text for text in said)


def test_endings_in_any_case(tmp_path: Path) -> None:
    write_video(tmp_path, "clip", {"0": boxes([1]), "1": boxes([1], 1)}, ["0", "1"], suffix=".JPG")
    for path in list((tmp_path / "Annotations/clip").iterdir()):
        path.rename(path.with_suffix(".PnG"))
    (tmp_path / "JPEGImages/clip/1.JPG").rename(tmp_path / "JPEGImages/clip/1.jpeg")
    data = open_dataset("folder", tmp_path)
    assert len(list(data.video("clip").frames)) == 2 and data.truth("clip") is not None


def test_missing_numbers_of_any_numbering(tmp_path: Path) -> None:
    assert missing_numbers(["f008", "f009", "f011"], step=1) == ["f010"]
    assert missing_numbers(["a1b2", "a1b4"], step=1) == ["a1b3"]
    assert missing_numbers(["a1b2", "a2b4"], step=1) == [], "two numbers change"
    stems = [f"im{t}" for t in range(12)]
    write_video(tmp_path, "clip", {s: boxes([1], t) for t, s in enumerate(stems)}, stems)
    for place in ("JPEGImages/clip/im5.jpg", "Annotations/clip/im5.png"):
        (tmp_path / place).unlink()
    data = open_dataset("folder", tmp_path)
    assert isinstance(data, FolderDataset)
    found = verify(data)
    assert found.ok and [Path(w.file).name for w in found.warnings] == ["im5.jpg"]


def test_only_own_errors_leave_the_order(tmp_path: Path) -> None:
    for names in (["1", "1e5", "inf"], ["\u00b2", "3"], ["", "0"], ["1.", "1.0"], ["#", "1"]):
        try:
            in_order(names), strays(names), ambiguous(names), missing_numbers(names)
        except RvosError:
            pytest.fail("the order itself refuses nothing")
