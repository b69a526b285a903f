"""Training videos: only those that are listed are opened, and what is wrong with a file is said with its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from robust_vos_bench.errors import DataError
from training.videos import NEVER, SHARED_PLACES, Videos, find_videos, load_videos


def test_frames_masks_times_and_boxes_are_those_of_the_files(videos: Videos) -> None:
    assert videos.names == ("red", "green", "blue") and len(videos) == 3
    assert videos.times[0] == tuple(range(0, 18, 2)) and videos.sizes.tolist() == [[96, 170]] * 3
    frame = videos.frame(0, 2)
    assert frame.shape == (4, 96, 170) and frame.dtype == torch.uint8
    inside = frame[3] == 255
    assert set(frame[3].unique().tolist()) == {0, 255}
    assert frame[0][inside].float().mean() > 200 and frame[1][inside].float().mean() < 60
    y, x, height, width = videos.boxes[0][2].tolist()
    assert (y, x) == pytest.approx((45.5, 70.5), abs=1) and height == width == pytest.approx(17.5, abs=1)


def test_no_other_video_is_opened(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the watched one nor one of the validation split, both of which lie in the same folder."""
    opened: list[Path] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: (opened.append(self), read(self))[1])
    load_videos(films, held_out=False)
    assert {file.parent.name for file in opened} == {"red", "green", "blue"}
    opened.clear()
    assert load_videos(films, held_out=True).names == ("watch",)
    assert {file.parent.name for file in opened} == {"watch"}


@pytest.mark.parametrize(
    ("train", "valid", "said"),
    [
        ("red\nblackswan", "watch", r"blackswan of the validation split"),
        ("red", "dog", r"dog of the validation split"),
        ("red\ngreen", "green", r"green in train\.txt and in valid\.txt"),
        ("", "watch", r"train\.txt: expected names"),
        ("red\nred", "watch", r"train\.txt: expected names"),
        ("../red", "watch", r"train\.txt: expected names"),
        ("red\nyellow", "watch", r"yellow: 0 frames"),
    ],
)
def test_lists_that_cannot_be_are_refused(films: Path, train: str, valid: str, said: str) -> None:
    (films / "ImageSets" / "train.txt").write_text(train)
    (films / "ImageSets" / "valid.txt").write_text(valid)
    with pytest.raises(DataError, match=said):
        load_videos(films, held_out=False)


@pytest.mark.parametrize("part", ["JPEGImages/green/00004.jpg", "Annotations/green/00004.png"])
def test_a_damaged_file_is_named(films: Path, part: str) -> None:
    file = films / part
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DataError, match=r"00004\.jpg or its mask 00004\.png cannot be decoded"):
        load_videos(films, held_out=False)
    assert load_videos(films, held_out=True).names == ("watch",)


def test_a_missing_or_misshapen_mask_is_named(films: Path) -> None:
    mask = films / "Annotations" / "red" / "00002.png"
    kept = mask.read_bytes()
    mask.unlink()
    with pytest.raises(DataError, match=r"00002\.png: the mask of red/00002\.jpg is missing"):
        load_videos(films, held_out=False)
    mask.write_bytes(kept)
    shutil.copy(films / "JPEGImages" / "red" / "00000.jpg", films / "JPEGImages" / "red" / "last.jpg")
    with pytest.raises(DataError, match=r"last\.jpg"):
        load_videos(films, held_out=False)


def test_a_missing_folder_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVOS_BENCH_SHARED", raising=False)
    with pytest.raises(DataError, match="--videos"):
        find_videos(None)
    with pytest.raises(DataError, match=r"not found in .*ImageSets"):
        find_videos(tmp_path)


def test_pairs_that_share_a_place_name_validation_videos() -> None:
    assert set(SHARED_PLACES.values()) <= NEVER and len(NEVER) == 20
    assert not set(SHARED_PLACES) & NEVER


def test_the_reference_data_is_as_the_documents_say(shared: Path) -> None:
    folder = shared / "data" / "davis2016-train"
    if not folder.is_dir():
        pytest.skip("no DAVIS training videos in the reference data")
    watch = load_videos(folder, held_out=True)
    assert watch.names == ("bus", "kite-walk", "soccerball")
    assert set(watch.names) & set(SHARED_PLACES) == {"kite-walk"}
    trained = (folder / "ImageSets" / "train.txt").read_text().split()
    assert len(trained) == 27 and set(SHARED_PLACES) - {"kite-walk"} <= set(trained)
