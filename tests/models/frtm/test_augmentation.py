"""Placements and samples are those of the official code, bit by bit; odd objects have samples too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robust_vos_bench.adapters.frtm import augmentation, placements
from robust_vos_bench.adapters.frtm.augmentation import Box, augmented, kernel, matrix, without_object
from robust_vos_bench.adapters.frtm.placements import Placement

from .golden import OBJECTS, clip, recorded, samples, start


@pytest.mark.parametrize(("run", "i"), OBJECTS)
def test_samples_are_the_official_ones(shared: Path, run: str, i: int) -> None:
    """Areas of all nineteen tries; sums of the five images, and areas of their masks."""
    golden, found = recorded(shared, run), samples(shared, run, i)
    assert list(found.areas) == golden.meta["objects"][str(i)]["areas"]
    assert np.array_equal(found.images.sum((1, 2, 3), np.int64), golden[f"aug_sum_obj{i}"])
    assert np.array_equal(found.masks.sum((1, 2), np.int64), golden[f"aug_mask_area_obj{i}"])
    assert found.warped == 4 and found.images.dtype == np.uint8


@pytest.mark.parametrize("run", ["rn18_multi3", "rn18_late3_skip3", "rn101_single_skip3"])
def test_pixels_are_the_official_ones(shared: Path, run: str) -> None:
    golden, found, video = recorded(shared, run), samples(shared, run, 1), clip(shared, run)
    assert np.array_equal(found.images[:, ::4, ::4].transpose(0, 3, 1, 2), golden["aug_images_s4_obj1"])
    assert np.array_equal(np.packbits(found.masks), golden["aug_masks_packed_obj1"])
    behind = without_object(next(iter(video.frames)), (video.prompts[0] == 1).astype(np.uint8))
    assert np.array_equal(behind[::2, ::2].transpose(2, 0, 1), golden["inpainted_s2_obj1"])
    assert behind.sum(dtype=np.int64) == golden["inpainted_sum_obj1"]


@pytest.mark.parametrize(("run", "i"), OBJECTS)
def test_placements_are_the_official_ones(shared: Path, run: str, i: int) -> None:
    video = clip(shared, run)
    told = recorded(shared, run).meta["objects"][str(i)]
    box = Box.around((video.prompts[start(shared, run, i)] == i).astype(np.uint8))
    assert [box.x, box.y, box.width, box.height] == told["bbox_cxcywh"]
    rng = np.random.RandomState(0)
    drawn = placements.pairs(rng, placements.locations(rng, video.size))
    assert len(drawn) == told["n_specs"] == 19
    for ours, theirs in ((front, spec) for (front, _), spec in zip(drawn, told["fg"], strict=True)):
        assert fields(ours) == fields_of(theirs)
    for ours, theirs in ((back, spec) for (_, back), spec in zip(drawn, told["bg"], strict=True)):
        assert fields(ours) == fields_of(theirs)
    order = list(range(19))
    rng.shuffle(order)
    assert order == told["shuffled_indices"]


def fields(p: Placement) -> list[Any]:
    return [list(p.location), p.rotation, p.flipped, p.scale, list(p.skew), p.blur, p.blur_angle]


def fields_of(spec: dict[str, Any]) -> list[Any]:
    names = ("location" if "location" in spec else "tcenter", "rotation", "fliplr", "scale", "skew", "blur_size")
    return [*(spec[name] for name in names), spec["blur_angle"]]


def test_global_generators_are_left_alone_and_the_object_decides_nothing_else() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), np.uint8)
    mask[10:25, 20:40] = 1
    np.random.seed(3)
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    one, two = (augmented(image, mask, np.random.RandomState(0)) for _ in range(2))
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]
    assert np.array_equal(one.images, two.images) and np.array_equal(one.masks, two.masks)
    assert np.array_equal(one.images[0], image) and np.array_equal(one.masks[0], mask)


def test_the_corrected_number_is_four_at_a_time() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), np.uint8)
    mask[10:25, 20:40] = 1
    found = augmented(image, mask, np.random.RandomState(0), tried=4)
    assert len(found.areas) in (4, 8) and found.warped == 4


@pytest.mark.parametrize("area", [1, 3, "all", "all but one"])
def test_odd_objects_have_five_samples(area: int | str) -> None:
    """A pixel, three, the whole frame, nearly so."""
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    mask = np.zeros((30, 50), np.uint8)
    if isinstance(area, int):
        mask[12, 20 : 20 + area] = 1
    else:
        mask[:] = 1
        mask[0, 0] = area == "all"
    found = augmented(image, mask, np.random.RandomState(0))
    assert found.images.shape == (5, 30, 50, 3) and found.masks.any((1, 2)).all()


@pytest.mark.parametrize("good", [0, 2])
def test_where_no_placement_helps_the_given_frame_stands_in(good: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the first ones are beyond the frame; a hundred rounds end (the official code goes on for ever)."""
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 10:40] = 1
    there, away = (Placement((x, 0.5), 0, False, 1.0, (0.0, 0.0), 0.0, 0) for x in (0.4, 9.0))
    drawn = iter([[(there, there)] * good])
    monkeypatch.setattr(augmentation, "pairs", lambda *a: next(drawn, [(away, there)] * 19))
    found = augmented(image, mask, np.random.RandomState(0))
    assert found.images.shape == (5, 40, 50, 3) and found.warped == good and len(found.areas) == good + 99 * 19
    for i in range(5):
        assert np.array_equal(found.images[i], image) == (i == 0 or i > good)
        assert np.array_equal(found.masks[i], mask) == (i == 0 or i > good)


def test_a_matrix_scales_turns_and_moves_about_the_centre_of_the_box() -> None:
    box = Box(20, 10, 8, 6)
    forward = matrix(Placement((0.25, 0.5), 90, False, 2.0, (0.0, 0.0), 0, 0), box, (40, 80), True)
    np.testing.assert_allclose(forward @ [20, 10, 1], [20, 20], atol=1e-5)
    np.testing.assert_allclose(forward @ [21, 10, 1], [20, 18], atol=1e-5)  # two pixels up
    flipped = matrix(Placement((0.25, 0.5), 0, True, 2.0, (0.0, 0.0), 0, 0), box, (40, 80), True)
    np.testing.assert_allclose(flipped @ [21, 10, 1], [18, 20], atol=1e-5)
    for large, expected in ((100.0, 40 / 6), (0.1, 10 / 6)):
        limited = matrix(Placement((0.5, 0.5), 0, False, large, (0.0, 0.0), 0, 0), box, (40, 80), True)
        assert limited[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize(("variance", "side"), [(1, 3), (2, 3), (5, 7)])
def test_kernels(variance: float, side: int) -> None:
    """Wide along the angle, narrow across, of sum one."""
    along = kernel(variance, 0)
    assert along.shape == (side, side) and along.sum() == pytest.approx(1)
    middle = side // 2
    assert along[middle, middle + 1] > 50 * along[middle + 1, middle]
    np.testing.assert_allclose(kernel(variance, 90), along.T, atol=1e-6)


def test_grey_takes_the_place_of_the_object_in_the_other_program() -> None:
    image = np.full((9, 9, 3), 7, np.uint8)
    mask = np.zeros((9, 9), np.uint8)
    mask[4, 4] = 1
    hole = without_object(image, mask, fill=False)[..., 0] == 128
    assert [tuple(p) for p in np.argwhere(hole)] == [(4, 4), (4, 5), (5, 4)]
