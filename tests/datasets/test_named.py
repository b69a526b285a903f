"""The named data sets open in their own layouts, keep hidden truth hidden, and are packed for their servers."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import msgspec
import pytest

import robust_vos_bench as rvos
from helpers.scoring.authors import make
from robust_vos_bench.api.data import verify_dataset
from robust_vos_bench.conditions import Condition
from robust_vos_bench.corrupted.split import write_splits
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.check import check_dataset
from robust_vos_bench.errors import DataError, IncompleteError, UsageError
from robust_vos_bench.runs.records import DatasetRecord
from robust_vos_bench.scoring.protocols import make_protocol

CASES = {"mosev2": "mosev2:valid", "lvos": "lvosv2:valid", "vost": "vost:val", "sav": "sav:val"}


@pytest.mark.parametrize("kind", CASES)
def test_verify_reads_every_file(kind: str, tmp_path: Path) -> None:
    root, _ = make(kind, tmp_path)
    found = verify_dataset(CASES[kind], root, progress=False)
    assert not found.problems and found.frames and found.masks
    assert "a subset, not comparable with papers" in found.warnings[-1].what
    masks = {"sav": "Annotations_6fps/sav_000001/001", "vost": "Annotations/cut_apple"}.get(kind, "valid/Annotations")
    victim = sorted((root / masks).rglob("*.png"))[1]
    victim.write_bytes(victim.read_bytes()[:60])
    assert [p.file for p in verify_dataset(CASES[kind], root, progress=False).problems] == [str(victim)]


@pytest.mark.parametrize("kind", [*CASES, "burst"])
def test_the_contract_of_data_sets_holds(kind: str, tmp_path: Path) -> None:
    root, _ = make(kind, tmp_path)
    name = CASES.get(kind, "burst:val")
    report = check_dataset(open_dataset(name, root, limit=2), make_protocol)
    assert report.ok, str(report)


@pytest.mark.parametrize(("kind", "family"), [("mosev2", "mose"), ("mosev2", "mosev2"), ("lvos", "lvosv2")])
def test_a_split_with_first_masks_only_has_no_truth_and_packs_for_its_server(
    kind: str, family: str, tmp_path: Path
) -> None:
    root, _ = make(kind, tmp_path)
    for folder in (root / "valid" / "Annotations").iterdir():
        keep = ("00000", "00000001", "00000016")
        for path in folder.iterdir():
            if path.stem not in keep:
                path.unlink()
    split = "valid"
    if family == "lvosv2":  # of LVOS the truth of test is hidden
        (root / "valid").rename(root / "test")
        (root / "test" / "valid_meta.json").rename(root / "test" / "test_meta.json")
        split = "test"
    data = open_dataset(f"{family}:{split}", root)
    assert all(data.truth(name) is None for name in data.videos)
    with pytest.raises(DataError, match="does not publish the truth"):
        rvos.score(tmp_path / "predictions", dataset=data, progress=False)
    run = rvos.run(
        model="static", dataset=f"{family}:{split}", data_root=root, corruption="fog", severity=1,
        save_masks=True, output=tmp_path / "run", progress=False, workers=1,
    )  # fmt: skip
    with pytest.raises(IncompleteError, match="and the server wants all"):
        rvos.pack(run.folder, masks="clean")
    path = rvos.pack(run.folder, masks="clean", layout="videos" if family != "lvosv2" else "annotations")
    names = zipfile.ZipFile(path).namelist()
    video = data.videos[0]
    first = data.video(video).frame_names[0]
    assert (f"{video}/{first}.png" if family != "lvosv2" else f"Annotations/{video}/{first}.png") in names


def test_masklets_are_copied_as_plain_videos_and_packed_by_object(tmp_path: Path) -> None:
    root, _ = make("sav", tmp_path)
    data = open_dataset("sav:val", root, limit=2)
    assert all(done.error is None for done in write_splits(data, [Condition("fog", 1)], tmp_path / "copies"))
    copy = open_dataset("folder:binary", next((tmp_path / "copies").iterdir()))
    assert list(copy.videos) == ["sav_000001.000", "sav_000001.001"]
    truth, same = data.truth("sav_000001.001"), copy.truth("sav_000001.001")
    assert truth is not None and same is not None
    for a, b in zip(truth.masks, same.masks):
        assert (a is None and b is None) or (a == b).all()  # type: ignore[union-attr]


def test_runs_over_masklets_say_what_is_filmed(tmp_path: Path) -> None:
    root, _ = make("sav", tmp_path)
    run = rvos.run(
        model="static", dataset="sav:val", data_root=root, corruption="fog", severity=1, limit=4,
        output=tmp_path / "run", save_masks=True, progress=False, workers=1,
    )  # fmt: skip
    assert run.matrix.clusters == ("sav_000001", "sav_000002") and run.matrix.cluster_of.tolist() == [0, 0, 0, 1]
    names = zipfile.ZipFile(rvos.pack(run.folder, masks="clean")).namelist()
    assert "sav_000001/002/00000.png" in names
    assert b"footage" not in msgspec.json.encode(DatasetRecord(name="demo", videos=1, videos_in_split=1))


def test_the_layout_of_masklets_is_for_masklets(tmp_path: Path) -> None:
    run = rvos.run(
        model="static", dataset="demo", corruption="fog", severity=1, limit=1, output=tmp_path / "run",
        save_masks=True, progress=False, workers=1,
    )  # fmt: skip
    with pytest.raises(UsageError, match="for masklets such as those of sav"):
        rvos.pack(run.folder, masks="clean", layout="objects")


def test_what_is_not_there_is_told_with_the_command_that_gets_it(tmp_path: Path) -> None:
    for name in ("mose", "mosev2", "lvos", "lvosv2", "vost", "sav:test", "burst"):
        with pytest.raises(DataError, match="`rvos-bench data get"):
            open_dataset(name, tmp_path)
    root, _ = make("sav", tmp_path / "made")
    shutil.rmtree(root / "Annotations_6fps" / "sav_000002")
    with pytest.raises(DataError, match=r"sav_000002: no such folder; .*sav_val\.txt lists sav_000002"):
        list(open_dataset("sav:val", root).videos)
