"""The recipe `corrupted`: repeatable damage, of kinds that no test preset has."""

from __future__ import annotations

import pytest
import torch

from robust_vos_bench.conditions import corruptions
from robust_vos_bench.conditions.presets import load_preset, preset_names
from training.clips import make_clips
from training.images import Stills
from training.keys import generator
from training.perturb import PERTURBATIONS, perturbed
from training.recipes import DAMAGED_FROM, damaged, damages

NEAR_NAMES = ("noise", "blur", "jpeg", "pixelate", "fog", "snow", "rain", "frost", "contrast", "brightness", "saturate")


def test_no_perturbation_is_a_corruption_of_the_benchmark() -> None:
    tested = {name for preset in preset_names() for name in load_preset(preset).corruptions} | set(corruptions())
    assert tested and PERTURBATIONS
    assert not set(PERTURBATIONS) & tested
    for name in PERTURBATIONS:
        assert not any(part in name for part in NEAR_NAMES), name


@pytest.mark.parametrize("name", sorted(PERTURBATIONS))
def test_each_perturbation_is_repeatable_and_grows_with_strength(stills: Stills, name: str) -> None:
    clip = make_clips(stills, 0, ("damage",), 1, 3, 65, 1).frames[0]
    kept = clip.clone()
    change = {}
    for strength in (0.2, 1.0):
        once, again = (PERTURBATIONS[name](clip, strength, generator(1, name)).clamp(0, 1) for _ in range(2))
        assert torch.equal(once, again) and once.shape == clip.shape and torch.isfinite(once).all()
        change[strength] = float((once - clip).abs().mean())
    assert torch.equal(clip, kept), "the clip given is not changed"
    assert change[1.0] > 0 and change[0.2] <= change[1.0]


def test_the_two_recipes_see_the_same_scenes(stills: Stills) -> None:
    clips = make_clips(stills, 0, ("train", 1), 4, 3, 65, 2)
    bad = damaged(clips, 0, ("train", 1))
    assert torch.equal(bad.labels, clips.labels) and torch.equal(bad.valid, clips.valid)
    assert not torch.equal(bad.frames, clips.frames)
    assert torch.equal(bad.frames, perturbed(clips.frames, 0, ("train", 1)))


def test_the_recipes_differ_from_a_step_on() -> None:
    assert not damages("corrupted", DAMAGED_FROM - 1) and damages("corrupted", DAMAGED_FROM)
    assert not damages("plain", 10 * DAMAGED_FROM)


def test_some_clips_are_left_alone() -> None:
    frames = torch.rand(1, 2, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    frames = torch.round(frames * 255) / 255
    untouched = sum(torch.equal(perturbed(frames, 0, ("share", i)), frames) for i in range(60))
    assert 5 <= untouched <= 28
