"""What docs/datasets.md decides where one could think otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import boxes, numbers, picture, write_video
from PIL import Image

from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.verify import verify
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.scoring.folder import FolderScorer


def test_the_index_counts_whatever_its_colour(tmp_path: Path) -> None:
    mask = boxes([2, 5, 9])
    image = Image.fromarray(mask)
    image.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tobytes())
    image.save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png"), mask)


def test_ids_with_gaps_as_the_official_tool_and_elsewhere(tmp_path: Path) -> None:
    masks = {s: boxes([1, 4], t) for t, s in enumerate(numbers(5))}
    write_video(tmp_path, "v", masks, numbers(5), frames_folder="JPEGImages/480p", masks_folder="Annotations/480p")
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("v\n")
    masks_folder = tmp_path / "Annotations/480p"
    official = FolderScorer(open_dataset("davis2017:val", tmp_path)).score(masks_folder)
    assert [(s.object, s.j_mean) for s in official] == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)]
    assert [s.object for s in FolderScorer(open_dataset("folder:480p", tmp_path)).score(masks_folder)] == [1, 4]


def test_a_folder_has_24_frames_per_second_and_may_lack_frames(tmp_path: Path) -> None:
    stems = [s for s in numbers(12) if s != "00005"]
    write_video(tmp_path, "v", {s: boxes([1], int(s)) for s in stems if int(s) % 3 == 0}, stems)
    data = open_dataset("folder", tmp_path)
    assert isinstance(data, FolderDataset)
    video = data.video("v")
    assert video.fps == 24 and video.frame_names == tuple(stems)
    found = verify(data)
    assert found.ok and [Path(w.file).name for w in found.warnings] == ["00005.jpg"]


def test_rotation_tags_do_not_turn_frames_of_a_data_set(tmp_path: Path) -> None:
    write_video(tmp_path, "v", {"00000": boxes([1]), "00001": boxes([1], 1)}, numbers(2))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(4)).save(tmp_path / "JPEGImages/v/00001.jpg", exif=exif)
    assert [frame.shape for frame in open_dataset("folder", tmp_path).video("v").frames] == [(48, 64, 3)] * 2


def test_a_split_that_is_none_can_be_opened_as_a_folder(tmp_path: Path) -> None:
    write_video(tmp_path / "test", "0f", {"00000": boxes([3])}, numbers(3))
    with pytest.raises(UsageError, match="youtubevos2018:test"):
        open_dataset("youtubevos2018:test", tmp_path)
    assert open_dataset("folder:test", tmp_path).video("0f").object_ids == (3,)


def test_a_frame_of_void_alone(tmp_path: Path) -> None:
    masks = {s: boxes([1], t) for t, s in enumerate(numbers(4))}
    masks["00002"] = boxes([255])
    write_video(tmp_path, "v", masks, numbers(4))
    data = open_dataset("folder", tmp_path)
    assert isinstance(data, FolderDataset) and data.truth("v") is not None
    assert [Path(p.file).name for p in verify(data).problems] == ["00002.png"]
    for stem in numbers(4):
        (tmp_path / "Annotations/v" / f"{stem}.png").unlink()
        Image.fromarray(boxes([255])).save(tmp_path / "Annotations/v" / f"{stem}.png")
    with pytest.raises(DataError, match="folder:binary"):
        open_dataset("folder", tmp_path).truth("v")
