"""Synthetic clips: a function of their key, image and mask in step, nothing global touched."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robust_vos_bench.errors import DataError
from training.clips import make_clips, render
from training.draws import draw
from training.fill import filled
from training.images import Stills, find_data, load_stills
from training.warps import CONTROLS, LATTICE, REACH, spline


def test_held_out_pictures_are_not_trained_on(ecssd: Path, stills: Stills) -> None:
    held_out = load_stills(ecssd, held_out=True)
    assert (len(stills), len(held_out)) == (40, 2)
    assert held_out.digest != stills.digest
    for picture in held_out.images:
        assert not (stills.images == picture).flatten(1).all(1).any()


def test_missing_data_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVOS_BENCH_SHARED", raising=False)
    with pytest.raises(DataError, match="--data"):
        find_data(None)
    with pytest.raises(DataError, match=r"images/ and masks/"):
        find_data(tmp_path)


def test_a_missing_mask_is_named(tmp_path: Path, ecssd: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "images" / "0001.jpg").write_bytes((ecssd / "images" / "0001.jpg").read_bytes())
    with pytest.raises(DataError, match=r"0001\.png"):
        load_stills(tmp_path, held_out=False)


def test_the_same_key_gives_the_same_clips_and_another_key_others(stills: Stills) -> None:
    first = make_clips(stills, 3, ("train", 7), 2, 3, 97)
    again = make_clips(stills, 3, ("train", 7), 2, 3, 97)
    assert torch.equal(first.frames, again.frames) and torch.equal(first.labels, again.labels)
    for seed, step in ((3, 8), (4, 7)):
        other = make_clips(stills, seed, ("train", step), 2, 3, 97, objects=first.slots - 1)
        assert not torch.equal(first.frames, other.frames)


def test_global_random_state_is_left_alone(stills: Stills) -> None:
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())
    make_clips(stills, 0, ("train", 0), 1, 3, 65)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


@pytest.mark.parametrize("objects", [1, 2, 3])
def test_labels_are_the_objects_asked_for(stills: Stills, objects: int) -> None:
    clips = make_clips(stills, 0, ("ids", objects), 4, 4, 97, objects)
    assert clips.slots == objects + 1
    assert clips.frames.shape == (4, 4, 3, 97, 97) and clips.labels.shape == (4, 4, 97, 97)
    assert clips.valid[:, 0].all() and clips.valid[:, 1:].any()
    for sample in range(4):
        found = set(clips.labels[sample].unique().tolist())
        assert found <= {0, *(slot for slot in range(1, objects + 1) if clips.valid[sample, slot])}
        for slot in range(1, objects + 1):
            area = int((clips.labels[sample, 0] == slot).sum())
            assert bool(clips.valid[sample, slot]) == (area >= 40)
    assert clips.frames.min() >= 0 and clips.frames.max() <= 1
    assert torch.allclose(clips.frames * 255, (clips.frames * 255).round(), atol=1e-3), "frames hold no more than uint8"


def test_masks_move_with_what_they_show() -> None:
    """Every picture is a white disc on black, so that a frame tells where its mask must be."""
    axis = torch.arange(400)
    disc = (axis[:, None] - 150) ** 2 + (axis[None] - 200) ** 2 < 60**2
    stills = Stills(
        (disc * 255).to(torch.uint8).expand(3, 3, -1, -1).contiguous(),
        (disc * 3).to(torch.uint8).expand(3, -1, -1).contiguous(),
        torch.tensor([[300, 400]] * 3),
        torch.tensor([[150.0, 200.0, 60.0, 60.0]] * 3),
        "made up",
    )
    seen = 0
    for number in range(6):
        draws = draw(stills, 0, ("discs", number), 2, 3, 129, 1)
        neutral = torch.tensor([1.0, 1, 1, 0, 1, 1])
        plain = replace(
            draws,
            present=torch.tensor([[True, False]] * 2),
            own=torch.ones(2, dtype=torch.bool),
            colour=neutral.expand_as(draws.colour),
            light=torch.ones_like(draws.light),
        )
        clips = render(stills, plain, 129)
        for sample in range(2):
            if not clips.valid[sample, 1]:
                continue
            for t in range(3):
                white = clips.frames[sample, t].mean(0) > 0.5
                mask = clips.labels[sample, t] == 1
                both, either = int((white & mask).sum()), int((white | mask).sum())
                assert either < 40 or both / either > 0.95
            moved = clips.labels[sample, 0] != clips.labels[sample, 2]
            seen += int(moved.any())
    assert seen >= 8, "objects move"


def test_splines_pass_through_their_control_points_and_are_linear_for_linear_moves() -> None:
    rng = torch.Generator().manual_seed(0)
    moved = torch.rand(CONTROLS**2, 2, generator=rng)
    field = spline(moved)
    assert field.shape == (2, LATTICE, LATTICE)
    corner = round((LATTICE - 1) * (REACH - 1) / (2 * REACH))  # lattice points nearest to the control at (-1, -1)
    fine = torch.nn.functional.grid_sample(
        field[None], torch.full((1, 1, 1, 2), -1 / REACH), align_corners=True, mode="bicubic"
    )
    assert torch.allclose(fine[0, :, 0, 0], moved[0], atol=0.02), corner
    side = torch.linspace(-1, 1, CONTROLS)
    points = torch.cartesian_prod(side, side)
    wide = torch.linspace(-REACH, REACH, LATTICE)
    lattice = torch.stack(torch.meshgrid(wide, wide, indexing="ij"))
    assert torch.allclose(
        spline(points @ torch.tensor([[0.2, 0.1], [0.0, -0.3]])),
        torch.einsum("ij,ihw->jhw", torch.tensor([[0.2, 0.1], [0.0, -0.3]]), lattice),
        atol=1e-4,
    )


def test_holes_are_filled_from_around_and_nothing_else_changes() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, 0] = 0.6
    hole = torch.zeros(1, 64, 64, dtype=torch.bool)
    hole[0, 20:40, 20:40] = True
    picture[:, :, 20:40, 20:40] = 1.0
    flat = filled(picture, hole, torch.full_like(picture, 0.5))
    assert torch.allclose(flat[0, 0, 20:40, 20:40], torch.full((20, 20), 0.6), atol=1e-3)
    assert flat[0, 1:, 20:40, 20:40].abs().max() < 1e-3
    assert torch.equal(flat[..., :10, :], picture[..., :10, :])
