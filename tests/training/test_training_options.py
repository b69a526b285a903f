"""Options of the stills: what is trained on changes as named, and nothing changes where none is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robust_vos_bench.errors import DataError, UsageError
from training.clips import make_clips
from training.draws import LARGE, STRONG, USUAL, draw
from training.flat import SPAN, is_flat
from training.images import Stills, load_stills
from training.noisy import NOISES, spoilt
from training.recipes import damaged
from training.rollout import roll_out
from training.settings import Settings, name_of
from training.trainer import Trainer, build

GOLDEN = {
    "background": 46.0,
    "sources": 109.0,
    "own": 2.0,
    "present": 5.0,
    "depth": 6.0,
    "scale": 10.116076,
    "angle": 0.3954927,
    "flip": 2.0,
    "centre": 349.7315,
    "anchor": 1119.5,
    "half": 213.65463,
    "times": 5.5833582,
    "velocity": -16.127193,
    "spin": -0.6513196,
    "zoom": -0.037823559,
    "stretch": -0.1785288,
    "jitter": -4.8321015,
    "bend": -0.32016031,
    "colour": 40.943186,
    "light": 23.845375,
}
SMALL = {"batch": 1, "crop": 65}


def test_settings_of_older_states_are_as_they_were() -> None:
    """A state of the shipped weights goes on: no key is new where no new option is used."""
    assert Settings("aoc.lite", "corrupted", seed=3).record() == {
        "model": "aoc.lite",
        "recipe": "corrupted",
        "seed": 3,
        "batch": 4,
        "length": 3,
        "crop": 209,
        "rate": 6e-4,
        "trunk_rate": 1e-4,
        "weight_decay": 0.01,
        "version": 1,
    }
    assert Settings("aoc.lite", stills=100, masks="dilated").record().items() >= {("stills", 100), ("masks", "dilated")}


def test_names_tell_what_is_unusual() -> None:
    assert Settings("aoc.lite").name == "aoc.lite.plain"
    assert Settings("aot.lite", "corrupted", 2, damaged="query").name == "aot.lite.corrupted.damaged-query.seed2"
    assert name_of(Settings("aoc.lite", stills=100, levelled=True).record()) == "aoc.lite.plain.stills100.levelled"


def test_draws_of_the_older_recipes_are_as_they_were(stills: Stills) -> None:
    """Numbers recorded before options existed."""
    d = draw(stills, 0, ("train", 3), 2, 3, 65, None)
    for name, total in GOLDEN.items():
        assert float(getattr(d, name).double().sum()) == pytest.approx(total, rel=1e-5), name


def test_options_change_only_what_they_name(stills: Stills) -> None:
    usual = draw(stills, 0, ("train", 3), 2, 3, 65, None)
    large = draw(stills, 0, ("train", 3), 2, 3, 65, None, USUAL.with_sizes_of(LARGE))
    strong = draw(stills, 0, ("train", 3), 2, 3, 65, None, USUAL.with_changes_of(STRONG))
    assert (large.scale[:, 1:] >= usual.scale[:, 1:]).all() and (large.scale > usual.scale).any()
    assert torch.equal(large.bend, usual.bend) and torch.equal(large.sources, usual.sources)
    assert torch.allclose(strong.bend, usual.bend * (STRONG.bend / USUAL.bend))
    assert torch.equal(strong.scale, usual.scale) and torch.equal(strong.velocity, usual.velocity)
    assert Settings("aoc.lite", "strong").variation == replace(STRONG, extent=LARGE.extent, scales=LARGE.scales)
    assert Settings("aoc.lite").variation == USUAL == Settings("aoc.lite", "corrupted").variation


def test_subsets_are_nested_and_have_digests_of_their_own(ecssd: Path, stills: Stills) -> None:
    found = {n: load_stills(ecssd, False, subset=n) for n in (5, 12, 40)}
    assert [len(s) for s in found.values()] == [5, 12, 40]
    assert len({s.digest for s in found.values()}) == 3
    assert found[40].digest == stills.digest, "all of them are no subset"
    for picture in found[5].images:
        assert (found[12].images == picture).flatten(1).all(1).any()
    with pytest.raises(DataError, match="40 pictures to train on, 41 asked for"):
        load_stills(ecssd, False, subset=41)


@pytest.mark.parametrize("kind", sorted(NOISES))
def test_spoilt_masks_are_the_product_s_own_damage(ecssd: Path, stills: Stills, kind: str) -> None:
    poor = load_stills(ecssd, False, spoil=kind)
    assert poor.digest != stills.digest and torch.equal(poor.sizes, stills.sizes)
    ious = []
    for mine, sound in zip(poor.masks & 1, stills.masks & 1):
        ious.append(float((mine & sound).sum() / (mine | sound).sum()))
    assert sum(ious) / len(ious) == pytest.approx(0.7, abs=0.05)
    mask = (stills.masks[0] & 1)[: int(stills.sizes[0, 0]), : int(stills.sizes[0, 1])].numpy()
    kept = mask.copy()
    assert (spoilt(mask, kind, "0000") == spoilt(mask, kind, "0000")).all() and (mask == kept).all()


def test_damage_falls_on_the_frames_that_are_named(stills: Stills) -> None:
    clips = make_clips(stills, 0, ("train", 1), 6, 3, 65, 1)
    whole, memory, query = (damaged(clips, 0, ("train", 1), which) for which in ("all", "memory", "query"))
    assert not torch.equal(whole.frames, clips.frames)
    assert torch.equal(memory.frames[:, 0], whole.frames[:, 0]) and torch.equal(
        memory.frames[:, 1:], clips.frames[:, 1:]
    )
    assert torch.equal(query.frames[:, 0], clips.frames[:, 0]) and torch.equal(query.frames[:, 1:], whole.frames[:, 1:])


def test_levelled_features_have_the_level_of_the_first_frame(stills: Stills, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("cfbi.lite")
    network.trunk.load_imagenet()
    clips = make_clips(stills, 0, ("train", 1), 2, 3, 65, 1)
    clips.frames[:, 1:] *= 0.4
    described: list[tuple[Tensor, ...]] = []
    whole = network.describe
    monkeypatch.setattr(network, "describe", lambda maps: (described.append(tuple(maps)), whole(maps))[1])
    for levelled in (False, True):
        with torch.no_grad():
            roll_out(network, clips, lambda logits, t: None, levelled=levelled)
    for plain, level in zip(*described):
        means = [x.mean((2, 3)).view(3, 2, -1) for x in (plain, level)]
        assert not torch.allclose(means[0][1], means[0][0], atol=1e-3)
        for t in (1, 2):
            assert torch.allclose(means[1][t], means[1][0], atol=1e-3)
        assert torch.allclose(level[:2], plain[:2], atol=1e-4), "the first frame stays"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"damaged": "query"}, "damages no frame"),
        ({"masks": "dilatd"}, "Did you mean"),
        ({"objects": "huge"}, "size of objects"),
        ({"recipe": "video"}, "starts from weights"),
        ({"start": "ab"}, "starts from weights"),
        ({"crop": 64}, r"16 n \+ 1"),
        ({"length": 2}, "three frames"),
        ({"stills": -1}, "positive"),
    ],
)
def test_settings_that_cannot_be_are_usage_errors(stills: Stills, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Trainer(Settings("cfbi.lite", **{**SMALL, **options}), stills)  # type: ignore[arg-type]


def test_a_step_under_an_option_is_another_step_and_the_same_each_time(stills: Stills) -> None:
    losses = []
    options: list[dict[str, object]] = [{}, {"levelled": True}, {"recipe": "strong"}]
    options += [{"recipe": "corrupted"}, {"recipe": "corrupted", "damaged": "memory"}, {"levelled": True}]
    for given in options:
        trainer = Trainer(Settings("cfbi.lite", **{**SMALL, **given}), stills)  # type: ignore[arg-type]
        trainer.step = 1500
        losses.append(trainer.advance())
    assert losses[1] == losses[-1] and len(set(losses)) == 5


def test_a_curve_is_flat_when_the_last_validations_gain_little() -> None:
    rising = [{"step": 500.0 * n, "validation_j": 0.5 + 0.01 * n} for n in range(2 * SPAN)]
    level = [{"step": 500.0 * n, "validation_j": 0.8 + 0.01 * (n % 2)} for n in range(2 * SPAN)]
    assert not is_flat(rising, 0.5) and is_flat(level, 0.5)
    assert not is_flat(level[1:], 0.5), "too few to tell"
    assert is_flat([*rising, *level, {"step": 1.0, "loss": 2.0}], 0.5), "only the last count"
    both = [{**row, "video_j": 0.1 * n} for n, row in enumerate(level)]
    assert not is_flat(both, 0.5), "watched videos still gain"


def test_a_faster_schedule_is_a_setting_of_its_own() -> None:
    usual, fast = Settings("cfbi.lite"), Settings("cfbi.lite", pace=2.5)
    assert [fast.age(step) for step in (0, 1, 400, 1000)] == [0, 2, 1000, 2500] and usual.age(1000) == 1000
    assert "pace" not in usual.record() and fast.record()["pace"] == 2.5, "older states go on as before"
    assert fast.name == "cfbi.lite.plain.pace2.5"
    for pace in (0.0, -1.0, float("nan"), 101.0):
        with pytest.raises(UsageError, match="--pace"):
            Settings("cfbi.lite", pace=pace).check()
