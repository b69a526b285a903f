"""Zips of masks as the evaluation servers want them: layout by data set, and nothing in them that a server refuses."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from robust_vos_bench.datasets.images import read_mask, write_mask
from robust_vos_bench.errors import DataError, IncompleteError, UsageError
from robust_vos_bench.reports.pack import pack, pack_masks
from robust_vos_bench.runs.store import RunStore

Make = Callable[..., Path]


def masks_of(run: Path, video: str) -> Path:
    folder = RunStore(run).masks_path("clean", "one", video)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def made(run_folder: Make, tmp_path: Path) -> Callable[..., Path]:
    """A finished run of two videos with saved masks; `made(name, root)` says which data it is of."""

    def make(name: str, root: str = "", split: int = 2) -> Path:
        run = run_folder(name.replace(":", "-"), models=["one"], videos=["a", "b"])
        store = RunStore(run)
        manifest = store.manifest()
        assert manifest is not None
        manifest.dataset = msgspec.structs.replace(manifest.dataset, name=name, root=root, videos_in_split=split)
        store.write_manifest(manifest)
        for video, size in (("a", (9, 12)), ("b", (8, 6))):
            for t in range(6):
                mask = np.zeros(size, np.uint8)
                mask[2 : 3 + t % 3, 1:4] = 3 if video == "a" else 1
                write_mask(masks_of(run, video) / f"{t:05d}.png", mask)
        return run

    return make


@pytest.mark.parametrize(
    ("name", "root", "first"),
    [
        ("davis2017:test-dev", "", "a/00000.png"),
        ("davis2017:val@Full-Resolution", "", "a/00000.png"),
        ("youtubevos2019:valid", "", "Annotations/a/00000.png"),
        ("youtubevos2018:valid_all_frames", "", "Annotations/a/00000.png"),
        ("folder:valid", "/data/LVOS", "Annotations/a/00000.png"),
        ("folder:valid", "/data/MOSEv2", "a/00000.png"),
        ("folder", "/data/mose/valid", "a/00000.png"),
        ("mine", "", "Annotations/a/00000.png"),
    ],
)
def test_the_data_set_says_the_layout(name: str, root: str, first: str, made: Callable[..., Path]) -> None:
    run = made(name, root)
    with zipfile.ZipFile(pack_masks(run, "clean")) as archive:
        names = archive.namelist()
        assert names[0] == first and len(names) == len(set(names)) == 12
        assert {n.rpartition("/")[0] for n in names} == {first.replace("a/00000.png", v) for v in "ab"}
        (run.parent / "read.png").write_bytes(archive.read(names[2]))
    mask = read_mask(run.parent / "read.png")
    assert mask.shape == (9, 12) and mask[4, 2] == 3 and (mask > 0).sum() == 9
    for layout, path in (("videos", "a/00000.png"), ("annotations", "Annotations/a/00000.png")):
        with zipfile.ZipFile(pack(run, "clean", layout=layout)) as archive:
            assert archive.namelist()[0] == path
    with pytest.raises(UsageError, match="layout"):
        pack(run, "clean", layout="davis")
    with pytest.raises(UsageError, match="--masks"):
        pack(run, layout="videos")


def test_a_part_of_a_split_is_refused_where_a_server_wants_all(made: Callable[..., Path]) -> None:
    run = made("davis2017:test-dev", split=30)
    with pytest.raises(IncompleteError, match="2 of the 30 videos"):
        pack_masks(run, "clean")
    pack_masks(run, "clean", layout="videos")
    pack_masks(made("folder", split=30), "clean")


def data(root: Path) -> None:
    """The data that the masks are of: a has ids 3 and 7, b has id 1."""
    for video, (height, width), ids in (("a", (9, 12), (3, 7)), ("b", (8, 6), (1,))):
        frames, masks = root / "JPEGImages" / video, root / "Annotations" / video
        frames.mkdir(parents=True)
        masks.mkdir(parents=True)
        mask = np.zeros((height, width), np.uint8)
        for row, i in enumerate(ids):
            mask[row] = i
        for t in range(6):
            Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(frames / f"{t:05d}.png")
            Image.fromarray(mask).save(masks / f"{t:05d}.png")


def grey(folder: Path) -> None:
    Image.fromarray(read_mask(folder / "00002.png")).save(folder / "00002.png")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another name": (lambda f: (f / "00004.png").rename(f / "4.png"), "no mask for frame '00004', but one for '4'"),
    "another size": (lambda f: write_mask(f / "00003.png", np.zeros((12, 9), np.uint8)), "00003.png: a mask of 9 x 12"),
    "another id": (lambda f: write_mask(f / "00001.png", np.full((9, 12), 4, np.uint8)), "holds the id 4"),
    "colours": (lambda f: Image.new("RGB", (12, 9)).save(f / "00000.png"), "00000.png: a colour"),
    "one bit": (lambda f: Image.new("1", (12, 9)).save(f / "00000.png"), "mode 1"),
    "cut": (lambda f: (f / "00005.png").write_bytes((f / "00005.png").read_bytes()[:-9]), "00005.png"),
    "gone": (lambda f: (f / "00005.png").unlink(), "5 masks, but the video has 6 frames"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_server_refuses_is_not_packed(fault: str, made: Callable[..., Path], tmp_path: Path) -> None:
    data(tmp_path / "data")
    run = made("folder", str(tmp_path / "data"))
    grey(masks_of(run, "a"))
    path = pack_masks(run, "clean")  # grey is as good as a palette
    before = path.read_bytes()
    damage, words = FAULTS[fault]
    damage(masks_of(run, "a"))
    with pytest.raises(DataError) as caught:
        pack_masks(run, "clean")
    assert words in str(caught.value) and path.read_bytes() == before


def test_without_the_data_masks_are_compared_with_each_other(made: Callable[..., Path]) -> None:
    run = made("youtubevos2019:valid", "/not/here")
    pack_masks(run, "clean")
    write_mask(masks_of(run, "b") / "00003.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(DataError, match=r"00003\.png: a mask of 8 x 6 pixels"):
        pack_masks(run, "clean")
