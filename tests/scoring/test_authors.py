"""SA-V, LVOS, VOST, MOSEv2 and BURST are scored as their authors' own evaluators score."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import robust_vos_bench as rvos
from helpers.scoring.authors import make
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.rle import decode, encode
from robust_vos_bench.datasets.video import Truth
from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring import VideoScorer
from robust_vos_bench.scoring.adapted import adapted_counts, boundary_map, disk_rows, tolerance

NUMBERS = json.loads((Path(__file__).parent / "authors_numbers.json").read_text())
NAMES = {"sav": "sav:val", "lvos": "lvosv2:valid", "vost": "vost:val", "mosev2": "mosev2:valid", "burst": "burst:val"}


@pytest.fixture(scope="module", params=NAMES)
def scored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    root, predictions = make(request.param, tmp_path_factory.mktemp(request.param))
    return request.param, rvos.score(predictions, dataset=NAMES[request.param], data_root=root, progress=False)


def test_global_numbers_are_the_authors(scored: tuple[str, Any]) -> None:
    kind, found = scored
    expected = NUMBERS[kind]["overall"]
    assert [name for name in found.overall if not name.startswith("mask ")] == list(expected)
    for name, value in expected.items():
        assert math.isclose(found.overall[name], value, rel_tol=0, abs_tol=1e-12), name


def test_numbers_of_every_object_are_the_authors(scored: tuple[str, Any]) -> None:
    kind, found = scored
    expected = NUMBERS[kind]["objects"]
    if kind == "burst":  # numbers of classes only
        assert not expected
        return
    objects = {o.video if kind == "sav" else f"{o.video}_{o.object}": o for o in found.objects}
    assert objects.keys() == expected.keys()
    for name, values in expected.items():
        score = objects[name]
        own = [getattr(score, f"{c}_mean") if c in "jf" else score.extra[c] for c in NUMBERS[kind]["columns"]]
        for column, mine, theirs in zip(NUMBERS[kind]["columns"], own, values):
            if theirs is None:
                assert math.isnan(mine), (name, column)
            else:
                assert math.isclose(mine, theirs, rel_tol=0, abs_tol=1e-12), (name, column)


def test_disk_is_that_of_scikit_image() -> None:
    from skimage.morphology import disk

    for radius in (1.0, 3.0, 0.8, 2.2, 4.404, 7.837):
        kernel = disk(radius)
        middle = kernel.shape[0] // 2
        drawn = np.zeros_like(kernel)
        for dy, first, last in disk_rows(radius):
            drawn[dy + middle, first + middle : last + middle + 1] = 1
        assert (drawn == kernel).all(), radius


def test_matches_are_those_of_dilation() -> None:
    import cv2
    from skimage.morphology import disk

    rng = np.random.default_rng(3)
    for _ in range(12):
        size = (int(rng.integers(90, 130)), int(rng.integers(120, 170)))
        truth, guess = (cv2.blur(rng.random(size), (7, 7)) > 0.52 for _ in range(2))
        radius, bounded = tolerance(int(truth.sum()), size)
        kernel = disk(radius).astype(np.uint8)
        a, b = (boundary_map(m) for m in (guess, truth))
        wide_a, wide_b = (cv2.dilate(m.astype(np.uint8), kernel) > 0 for m in (a, b))
        assert adapted_counts(guess, truth) == (a.sum(), b.sum(), (a & wide_b).sum(), (b & wide_a).sum(), bounded)


def test_a_run_keeps_what_the_authors_add_and_tables_show_it(tmp_path: Path) -> None:
    root, _ = make("vost", tmp_path)
    run = rvos.run(
        model="static", dataset="vost:val", data_root=root, severity=1, corruption="gaussian_noise",
        output=tmp_path / "run", save_masks=True, progress=False, workers=1,
    )  # fmt: skip
    record = next(iter(run.records("static", "clean").values()))
    assert set(record.objects[0].extra) == {"J_tr", "J_tr-Recall", "J_tr-Decay"}
    scored = rvos.score(tmp_path / "run/masks/static/clean", dataset="vost:val", data_root=root, progress=False)
    row = run.robustness["static"]
    assert math.isclose(row["j_tr_clean"], 100 * scored.overall["J_last-Mean"]) and row["j_tr"] > 0
    assert "variation" not in run.robustness.measures and "reappeared" not in run.robustness.measures


def test_masklets_of_a_film_overlap_and_are_videos_of_their_own(tmp_path: Path) -> None:
    root, predictions = make("sav", tmp_path)
    data = open_dataset("sav:val", root)
    assert data.videos[:3] == ("sav_000001.000", "sav_000001.001", "sav_000001.002")
    assert {data.footage(name) for name in data.videos} == {"sav_000001", "sav_000002"}
    video, truth = data.video("sav_000001.001"), data.truth("sav_000001.001")
    assert len(video) == 33 and video.object_ids == (1,) and list(video.prompts) == [0]
    assert truth is not None
    assert [t for t, mask in enumerate(truth.masks) if mask is not None] == list(range(0, 33, 4))
    nested = rvos.score(predictions, dataset=data, progress=False)
    flat = tmp_path / "flat"
    for name in data.videos:
        film, _, number = name.rpartition(".")
        flat.mkdir(exist_ok=True)
        (flat / name).symlink_to(predictions / film / number)
    assert rvos.score(flat, dataset=data, progress=False).objects == nested.objects


def test_lvos_range_that_the_authors_cannot_score_is_refused(tmp_path: Path) -> None:
    root, predictions = make("lvos", tmp_path)
    meta = root / "valid" / "valid_meta.json"
    document = json.loads(meta.read_text())
    document["videos"]["bbbbbbbb"]["objects"]["1"]["frame_range"]["frame_nums"] = 3
    meta.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"valid_meta\.json: video 'bbbbbbbb', object 1: frame_nums is 3"):
        rvos.score(predictions, dataset="lvosv2:valid", data_root=root, progress=False)
    meta.unlink()
    with pytest.raises(DataError, match=r"valid_meta\.json: no such file; it says in which frames each object counts"):
        rvos.score(predictions, dataset="lvosv2:valid", data_root=root, progress=False)


def test_lvos_is_scored_without_meta_only_by_another_protocol() -> None:
    mask = np.ones((8, 8), np.uint8)
    truth = Truth("v", (8, 8), ("1", "2", "3"), [mask] * 3, {1: 0})
    with pytest.raises(DataError, match="needs the frame ranges"):
        VideoScorer(truth, "lvos")


def test_run_lengths_are_read_and_written() -> None:
    rng = np.random.default_rng(5)
    for size in ((1, 1), (7, 3), (40, 61)):
        for share in (0.0, 0.02, 0.5, 1.0):
            mask = rng.random(size) < share
            assert (decode(encode(mask), size, "here") == mask).all()
    # What pycocotools 2.0.7 writes for two masks.
    small, large = np.zeros((4, 5), np.bool_), np.zeros((400, 500), np.bool_)
    small[1:3, 1:4] = large[100:350, 100:450] = large[3, 3] = True
    assert encode(small) == "5220003"
    assert encode(large).startswith("cU11`oU1i7VUjN000000000000000000000000000000000000000")
    for text in ("5", "52", "~", "5" * 50):
        with pytest.raises(DataError, match="here: "):
            decode(text, (4, 5), "here")


def test_burst_opens_late_objects_and_overlaps(tmp_path: Path) -> None:
    root, _ = make("burst", tmp_path)
    data = open_dataset("burst:val", root)
    assert data.videos == ("LaSOT.one", "HACS.two", "BDD.three")
    video, truth = data.video("HACS.two"), data.truth("HACS.two")
    assert len(video) == 21 and video.fps == 4 and min(t for t, m in video.prompts.items() if (m == 2).any()) == 8
    assert truth is not None and truth.categories[2] == "133 category 133"
    masks = data.truth("LaSOT.one").masks  # type: ignore[union-attr]
    planes = masks.planes(0)
    assert (planes[1] & planes[2]).any() and len(pickle.dumps(data)) < 2000
    document = root / "annotations" / "val" / "all_classes.json"
    document.write_text(document.read_text().replace('"rle": "', '"rle": "~', 1))
    with pytest.raises(DataError, match=r"all_classes\.json, video 'LaSOT\.one', object 1: not the run lengths"):
        open_dataset("burst:val", root).video("LaSOT.one")
