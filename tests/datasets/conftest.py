"""Small data sets written to disk in the official layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dataset_files import boxes, numbers, write_video
from PIL import Image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("RVOS_BENCH_DATA", raising=False)


@pytest.fixture
def davis2017(tmp_path: Path) -> Path:
    """Two videos of four and three frames, two objects each, as DAVIS 2017 val; one test-dev video."""
    root = tmp_path / "DAVIS"
    for name, count in (("bear", 4), ("dog", 3)):
        masks = {stem: boxes([1, 2], t) for t, stem in enumerate(numbers(count))}
        write_video(root, name, masks, numbers(count), frames_folder="JPEGImages/480p", masks_folder="Annotations/480p")
    first = {"00000": boxes([1, 2, 3])}
    write_video(root, "girl", first, numbers(3), frames_folder="JPEGImages/480p", masks_folder="Annotations/480p")
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("dog\nbear\n")
    (root / "ImageSets" / "2017" / "test-dev.txt").write_text("girl\n")
    return root


@pytest.fixture
def davis2016(tmp_path: Path) -> Path:
    """One 0 / 255 video with the list file of the original 2016 archive."""
    root = tmp_path / "DAVIS16"
    masks = {stem: (boxes([1, 1], t) * 255).astype(np.uint8) for t, stem in enumerate(numbers(3))}
    write_video(root, "swan", {}, numbers(3), frames_folder="JPEGImages/480p", masks_folder="Annotations/480p")
    for stem, mask in masks.items():
        Image.fromarray(mask).save(root / "Annotations/480p/swan" / f"{stem}.png")
    (root / "ImageSets" / "480p").mkdir(parents=True)
    lines = [f"/JPEGImages/480p/swan/{s}.jpg /Annotations/480p/swan/{s}.png" for s in numbers(3)]
    (root / "ImageSets" / "480p" / "val.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def youtubevos(tmp_path: Path) -> Path:
    """`valid` with a late object and an id gap, `valid_all_frames` over it, and a small `train`."""
    root = tmp_path / "YTB"
    stems = numbers(4, 5)
    # The annotation of the late object's frame also repeats object 1, as some files do.
    masks = {"00000": boxes([1, 4]), "00010": boxes([1, 0, 6], 2)}
    write_video(root / "valid", "0a1b", masks, stems)
    every = numbers(16)
    write_video(root / "valid_all_frames", "0a1b", {}, every)
    (root / "valid_all_frames" / "Annotations" / "0a1b").rmdir()
    (root / "valid_all_frames" / "Annotations").rmdir()
    meta = {
        "1": {"category": "dog", "frames": stems},
        "4": {"category": "unicorn", "frames": stems},
        "6": {"category": "cat", "frames": stems[2:]},
    }
    (root / "valid" / "meta.json").write_text(json.dumps({"videos": {"0a1b": {"objects": meta}}}))
    full = {stem: boxes([2, 5] if t else [2], t) for t, stem in enumerate(stems)}
    write_video(root / "train", "ffff", full, stems)
    train = {"2": {"category": "dog", "frames": stems}, "5": {"category": "cat", "frames": stems[1:]}}
    (root / "train" / "meta.json").write_text(json.dumps({"videos": {"ffff": {"objects": train}}}))
    return root
