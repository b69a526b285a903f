"""`data verify`: every kind of damage is found, named and counted; sound data passes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from dataset_files import boxes, picture, write_bomb, write_video
from PIL import Image

from robust_vos_bench.cli import main
from robust_vos_bench.datasets import davis, open_dataset
from robust_vos_bench.datasets.images import write_mask
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.verify import Verification, verify


def check(spec: str, root: Path, workers: int = 2) -> Verification:
    data = open_dataset(spec, root)
    assert isinstance(data, FolderDataset)
    return verify(data, workers)


def test_sound_data_passes(davis2017: Path, davis2016: Path, youtubevos: Path) -> None:
    found = check("davis2017:val", davis2017)
    assert found.ok and (found.videos, found.frames, found.masks, found.objects) == (2, 7, 7, 4)
    assert [w.file for w in found.warnings] == [str(davis2017 / "ImageSets/2017/val.txt")], "a subset is said to be one"
    assert check("davis2016:val", davis2016).objects == 1
    assert check("davis2017:test-dev", davis2017).ok
    for split in ("valid", "valid_all_frames", "train"):
        assert check(f"youtubevos2019:{split}", youtubevos).ok


def test_every_damage_is_named(davis2017: Path) -> None:
    frames, masks = davis2017 / "JPEGImages/480p", davis2017 / "Annotations/480p"
    (frames / "bear/00001.jpg").write_bytes((frames / "bear/00001.jpg").read_bytes()[:400])
    (frames / "bear/00002.jpg").unlink()
    Image.fromarray(picture(1, (48, 60))).save(frames / "dog/00001.jpg")
    png = (masks / "dog/00002.png").read_bytes()
    (masks / "dog/00002.png").write_bytes(png[:-10])
    Image.fromarray(picture(2)).save(masks / "dog/00001.png")
    write_mask(masks / "dog/00000.png", np.zeros((48, 64), np.uint8))
    Image.fromarray((boxes([1]) * 255).astype(np.uint8)).save(masks / "bear/00001.png")
    write_mask(masks / "bear/00003.png", boxes([1, 2, 5]))
    found = check("davis2017:val", davis2017)
    said = {re.sub(r".*480p/", "", p.file): p.what for p in found.problems}
    assert set(said) == {
        "bear/00001.jpg", "bear/00002.jpg", "bear/00002.png", "bear/00001.png",
        "dog/00001.jpg", "dog/00002.png", "dog/00001.png", "dog/00000.png",
    }  # fmt: skip
    assert "truncated" in said["bear/00001.jpg"] and "missing" in said["bear/00002.jpg"]
    assert "60 x 48" in said["dog/00001.jpg"] and "truncated" in said["dog/00002.png"]
    assert "colour" in said["dog/00001.png"] and "0 and 255" in said["bear/00001.png"]
    assert "holds an object" in said["dog/00000.png"]
    assert any(w.file.endswith("bear/00003.png") and "object 5" in w.what for w in found.warnings)


def test_a_picture_too_large_to_decode_does_not_stop_it(davis2017: Path) -> None:
    write_bomb(davis2017 / "JPEGImages/480p/bear/00000.jpg")
    write_bomb(davis2017 / "Annotations/480p/dog/00001.png")
    said = [Path(p.file).name for p in check("davis2017:val", davis2017).problems]
    assert said == ["00001.png", "00000.jpg"], "in the order of the videos"


def test_numbers_without_zeros(davis2017: Path) -> None:
    for kind, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".png")):
        folder = davis2017 / kind / "480p" / "bear"
        for t in range(4):
            (folder / f"{t:05d}{suffix}").rename(folder / f"{t + 8}{suffix}")
    assert check("davis2017:val", davis2017).ok
    (davis2017 / "JPEGImages/480p/bear/10.jpg").unlink()
    said = [Path(p.file).name for p in check("davis2017:val", davis2017).problems]
    assert said[0] == "10.jpg" and set(said) == {"10.jpg", "10.png"}


def test_names_that_only_look_like_numbers(tmp_path: Path) -> None:
    stems = ["1", "2", "\u00b2"]
    write_video(tmp_path, "clip", {s: boxes([1], t) for t, s in enumerate(stems)}, stems)
    assert check("folder", tmp_path).ok


def test_missing_folders(davis2017: Path) -> None:
    (davis2017 / "ImageSets/2017/val.txt").write_text("dog\nghost\n")
    found = check("davis2017:val", davis2017)
    assert {Path(p.file).name for p in found.problems} == {"ghost"} and len(found.problems) == 2


def test_official_counts(davis2017: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(davis.SPLITS["davis2017"], "val", davis.OfficialCounts(2, 8, 4))  # type: ignore[index]
    found = check("davis2017:val", davis2017)
    assert [p.what for p in found.problems] == ["7 frames, but davis2017:val officially has 8"]
    assert found.problems[0].file.endswith("ImageSets/2017/val.txt")


def test_youtube_vos_ids_against_meta(youtubevos: Path) -> None:
    path = youtubevos / "valid/meta.json"
    meta = json.loads(path.read_text())
    meta["videos"]["0a1b"]["objects"]["9"] = {"category": "cat", "frames": ["00015"]}
    del meta["videos"]["0a1b"]["objects"]["6"]
    path.write_text(json.dumps(meta))
    said = [(Path(p.file).name, p.what) for p in check("youtubevos2019:valid", youtubevos).problems]
    assert [name for name, _ in said] == ["00010.png", "meta.json", "00015.png"]
    assert "object 6" in said[0][1] and "object 9" in said[1][1] and "object 9" in said[2][1]


def test_command_line(davis2017: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "verify", "--dataset", "davis2017:val", "--data-root", str(davis2017)]
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 0 and "OK" in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        main([*words, "--complete"])
    assert done.value.code == 4
    (davis2017 / "JPEGImages/480p/dog/00001.jpg").write_bytes(b"")
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main([*words, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert done.value.code == 4 and found["ok"] is False and found["problems"][0]["file"].endswith("dog/00001.jpg")
    with pytest.raises(SystemExit) as done:
        main(["data", "verify"])
    assert done.value.code == 2 and "made on the spot" in capsys.readouterr().err


def test_where(davis2017: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["data", "where", "--data-root", str(davis2017), "--json"])
    rows = {row["dataset"]: row for row in json.loads(capsys.readouterr().out)["datasets"]}
    assert done.value.code == 0
    assert rows["davis2017:val"]["videos"] == 2 and rows["youtubevos2019:valid"]["videos"] == 0
    assert rows["demo"]["videos"] == 5
