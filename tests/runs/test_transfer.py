"""Data shipped to nodes that lack it: the same bytes, once, checked, and never outside its folder."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.ray import transfer as ship
from robust_vos_bench.runs.ray.transfer import FileNote, FileServer, ShippedDataset


class Counting(FileServer):
    """A shelf that notes what it was asked for, and may be told to answer wrongly."""

    def __init__(self, dataset: Dataset, rename: str = "", damage: bool = False) -> None:
        super().__init__(dataset)
        self.asked: list[str] = []
        self.rename, self.damage = rename, damage

    def contents(self, video: str) -> list[FileNote]:
        self.asked.append(video)
        notes = super().contents(video)
        return [(self.rename, *notes[0][1:]), *notes[1:]] if self.rename else notes

    def read(self, video: str, paths: Sequence[str]) -> list[bytes]:
        data = super().read(video, [p for p in paths if p != self.rename])
        return [b"x" + piece[1:] for piece in data] if self.damage else data


@pytest.fixture
def node(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Counting, Path]:
    """A data set that this "node" does not have under its path, where it can be had, and the node's cache folder."""
    there = open_dataset("folder", clips)
    shelf = Counting(there)
    absent = open_dataset("folder", clips)
    gone = tmp_path / "elsewhere"
    for name in ("root", "frames_root", "masks_root"):
        monkeypatch.setattr(absent, name, gone / getattr(absent, name).name)
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    return absent, shelf, tmp_path / "cache" / "shipped"


def fingerprints(clips: Path) -> dict[str, str]:
    data = open_dataset("folder", clips)
    return {video: data.fingerprint(video) for video in data.videos}


def test_a_shipped_video_is_the_same_video(node: tuple[Dataset, Counting, Path], clips: Path) -> None:
    absent, shelf, folder = node
    shipped = ShippedDataset(absent, fingerprints(clips), shelf)
    original = open_dataset("folder", clips)
    for _ in range(2):
        for name in original.videos:
            mine, theirs = shipped.video(name), original.video(name)
            assert (mine.name, mine.dataset, mine.frame_names) == (theirs.name, theirs.dataset, theirs.frame_names)
            assert all(np.array_equal(a, b) for a, b in zip(mine.frames, theirs.frames, strict=True))
            truth, expected = shipped.truth(name), original.truth(name)
            assert truth is not None and expected is not None
            assert all(np.array_equal(a, b) for a, b in zip(truth.masks, expected.masks, strict=True))
    assert shelf.asked == ["a", "b", "c"]  # each once
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == sorted(
        fingerprints(clips).values()
    )
    another = ShippedDataset(absent, fingerprints(clips), shelf)  # the next process of this node
    another.video("a")
    copy = pickle.loads(pickle.dumps(another))  # a process that makes frames ahead: without a source
    assert len(copy.video("b")) == 5
    assert shelf.asked == ["a", "b", "c"]


def test_a_node_that_has_the_right_bytes_fetches_nothing(node: tuple[Dataset, Counting, Path], clips: Path) -> None:
    _, shelf, folder = node
    shipped = ShippedDataset(open_dataset("folder", clips), fingerprints(clips), shelf)
    assert len(shipped.video("a")) == 6 and shelf.asked == [] and not folder.exists()


def test_a_changed_video_is_another_video(node: tuple[Dataset, Counting, Path], clips: Path) -> None:
    absent, shelf, _ = node
    before = fingerprints(clips)
    ShippedDataset(absent, before, shelf).video("a")
    frame = clips / "JPEGImages" / "a" / "00002.png"
    frame.write_bytes((clips / "JPEGImages" / "a" / "00003.png").read_bytes())
    now = fingerprints(clips)
    video = ShippedDataset(absent, now, Counting(open_dataset("folder", clips))).video("a")
    frames = list(video.frames)
    assert np.array_equal(frames[2], frames[3])
    with pytest.raises(DataError, match="other bytes than the driver has"):
        ShippedDataset(absent, {**before, "a": "0" * 64}, shelf).video("a")


@pytest.mark.parametrize("name", ["../outside.png", "/etc/outside", "JPEGImages/../../x", "a\\..\\b", "", "C:/x"])
def test_names_that_lead_out_of_the_folder_are_refused(
    node: tuple[Dataset, Counting, Path], clips: Path, name: str
) -> None:
    absent, shelf, folder = node
    with pytest.raises(DataError, match="refused"):
        ship.inside(folder, name)
    if name:
        shelf.rename = name
        with pytest.raises(DataError, match="refused"):
            ShippedDataset(absent, fingerprints(clips), shelf).video("a")
        assert not [p for p in folder.rglob("*") if not p.name.endswith(".lock")]


def test_damage_on_the_way_is_noticed_and_leaves_nothing(node: tuple[Dataset, Counting, Path], clips: Path) -> None:
    absent, shelf, folder = node
    shelf.damage = True
    with pytest.raises(DataError, match="damaged"):
        ShippedDataset(absent, fingerprints(clips), shelf).video("a")
    assert not [p for p in folder.rglob("*") if not p.name.endswith(".lock")]
    shelf.damage = False
    assert len(ShippedDataset(absent, fingerprints(clips), shelf).video("a")) == 6


def test_a_shelf_hands_out_nothing_but_its_files(clips: Path) -> None:
    (clips / "secret.txt").write_text("x")
    shelf = FileServer(open_dataset("folder", clips))
    with pytest.raises(KeyError):
        shelf.read("a", ["secret.txt"])


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship, "PART_BYTES", 10)
    notes = [(str(i), size, "") for i, size in enumerate((4, 6, 1, 25, 3))]
    assert [[n[1] for n in batch] for batch in ship.batches(notes)] == [[4, 6], [1], [25], [3]]


def test_davis_is_shipped_with_its_lists(davis_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = open_dataset("davis2016:val", davis_root, limit=2)
    name = original.videos[1]
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    absent = open_dataset("davis2016:val", davis_root, limit=2)
    assert len(absent.videos) == 2
    for root in ("root", "frames_root", "masks_root"):
        monkeypatch.setattr(absent, root, tmp_path / "elsewhere")
    shipped = ShippedDataset(absent, {name: original.fingerprint(name)}, FileServer(original))
    video = shipped.video(name)
    assert str(tmp_path) in str(video.frames.paths[0])  # type: ignore[attr-defined]
    assert len(video) == len(original.video(name)) and shipped.truth(name) is not None
