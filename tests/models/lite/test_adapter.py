"""The lite adapters: contract with recipe weights, sizes, many objects, memory, options."""

from __future__ import annotations

import itertools
from typing import Any, cast

import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.aot.lite import AOTLite, merged
from robust_vos_bench.adapters.lite.adapter import LiteAdapter
from robust_vos_bench.adapters.lite.clusters import clustered
from robust_vos_bench.adapters.lite.levels import Level, set_levels
from robust_vos_bench.adapters.lite.network import UNCERTAIN, full
from robust_vos_bench.adapters.lite.trunk import Maps
from robust_vos_bench.conditions import Condition, corrupt_video
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import find_entry, load_adapter
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.models.checkpoint import have_weights
from robust_vos_bench.models.synthetic import standard_clip

FAMILIES = ("aoc", "aot", "cfbi")


@pytest.fixture(scope="module", params=FAMILIES)
def adapter(request: pytest.FixtureRequest) -> LiteAdapter:
    """Each lite model with recipe weights."""
    return cast(LiteAdapter, load_adapter(f"{request.param}.lite", "random", "cpu"))


def test_the_contract_is_kept(adapter: LiteAdapter) -> None:
    report = check_adapter(adapter)
    broken = [finding for finding in report.findings if finding.level not in ("ok", "skipped")]
    assert not broken and report.frames > 20


def test_no_class_is_forgotten_by_the_recipe(adapter: LiteAdapter) -> None:
    last = list(adapter.segment(standard_clip(4, late=False)))[-1]
    assert len(np.unique(last)) > 1, "recipe weights do not give one class alone"


def test_frames_that_may_not_be_written_are_taken_without_a_warning(adapter: LiteAdapter) -> None:
    clip = standard_clip(2)
    frames = [frame.copy() for frame in clip.frames]
    for frame in frames:
        frame.flags.writeable = False
    masks = list(adapter.segment(Video.from_arrays(frames, {0: clip.prompts[0]}, name="read-only")))
    assert len(masks) == 2


def test_large_frames_are_scaled_down_and_masks_come_back_at_their_size(adapter: LiteAdapter) -> None:
    clip = standard_clip(2)
    frames = [np.repeat(np.repeat(f, 6, 0), 6, 1) for f in clip.frames]  # 582 x 834
    prompts = {t: np.repeat(np.repeat(p, 6, 0), 6, 1) for t, p in clip.prompts.items()}
    video = Video.from_arrays(frames, {0: prompts[0]}, name="large")
    masks = list(adapter.segment(video))
    assert [m.shape for m in masks] == [(582, 834)] * 2
    assert np.array_equal(masks[0], prompts[0])


def test_more_objects_than_one_memory_holds(adapter: LiteAdapter) -> None:
    """Twelve squares: `aot.lite` needs four groups of identities."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (96, 128, 3)).astype(np.uint8)
    prompt = np.zeros((96, 128), np.uint8)
    for i in range(12):
        prompt[4 + 30 * (i // 4) : 24 + 30 * (i // 4), 4 + 31 * (i % 4) : 26 + 31 * (i % 4)] = 10 * (i + 1)
    masks = list(adapter.segment(Video.from_arrays([frame] * 3, {0: prompt}, name="many")))
    assert set(np.unique(masks[2])) <= {0, *range(10, 121, 10)}
    assert len({(m - 1) // 30 for m in np.unique(masks[2]) if m}) > 2, "objects of several groups of three are found"


@pytest.mark.parametrize("size", [(480, 854), (305, 400), (1080, 1920)])
def test_remembered_masks_stay_where_they_are(size: tuple[int, int]) -> None:
    """Scaled down for the memory and up again, a disc keeps its centre however often."""
    adapter = cast(LiteAdapter, load_adapter("cfbi.lite", "random", "cpu"))
    y, x = np.mgrid[: size[0], : size[1]]
    disc = (((y - size[0] / 2) ** 2 + (x - size[1] / 2) ** 2) < (size[0] / 5) ** 2).astype(np.uint8)
    session = adapter.session(Video.from_arrays([np.zeros((*size, 3), np.uint8)], {0: disc}, name="disc"))
    mask = disc
    for _ in range(10):
        small = session._small(mask)[0, : session._scaled[0], : session._scaled[1]]
        logits = torch.stack([1.0 - small, small * 1.0])[None]
        mask = (torch.nn.functional.interpolate(logits, size, mode="bilinear").argmax(1)[0]).numpy().astype(np.uint8)
    moved = [abs(float(a[mask > 0].mean() - a[disc > 0].mean())) for a in (y, x)]
    assert max(moved) < 0.25


@pytest.mark.parametrize("family", ["aoc", "aot"])
def test_every_fifth_frame_after_a_prompt_is_remembered(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = cast(LiteAdapter, load_adapter(f"{family}.lite", "random", "cpu", memory=9))
    kept: list[bool] = []
    remember = adapter.network.remember

    def noted(*arguments: Any) -> None:
        kept.append(arguments[4] or arguments[5])
        remember(*arguments)

    monkeypatch.setattr(adapter.network, "remember", noted)
    clip = standard_clip(14)
    first, late = clip.prompts[0], next(t for t in clip.prompts if t)
    list(adapter.segment(Video.from_arrays(list(clip.frames), {0: first, 7: clip.prompts[late]}, name="late")))
    assert [t for t, yes in enumerate(kept) if yes] == [0, 5, 7, 12]


def test_levels_are_those_asked_for() -> None:
    maps = Maps(*(torch.randn(1, c, 7, 9) * 3 + 1 for c in (24, 40, 112)))
    wanted = [Level(torch.full((1, m.shape[1], 1, 1), 5.0), torch.full((1, m.shape[1], 1, 1), 0.5)) for m in maps]
    for m in set_levels(maps, wanted):
        assert torch.allclose(m.mean((2, 3)), torch.tensor(5.0), atol=1e-4)
        assert torch.allclose(m.std((2, 3)), torch.tensor(0.5), atol=1e-3)
    assert set_levels(maps, []) is maps


@pytest.mark.parametrize("family", FAMILIES)
def test_levelled_finds_again_what_has_lost_its_contrast(family: str) -> None:
    """With the trained weights: after a sound first frame, at the levels of that frame."""
    if not have_weights(find_entry(f"{family}.lite").card):
        pytest.skip("no lite weights in this checkout")
    data = open_dataset("demo", videos=["cat"])
    frames = list(itertools.islice(data.video("cat").frames, 5))
    clip = Video.from_arrays(frames, data.video("cat").prompts[0])
    truth = data.truth("cat")
    assert truth is not None
    faded = corrupt_video(clip, Condition("contrast", 3, clean_reference=True))
    found = []
    for levelled in (False, True):
        masks = list(load_adapter(f"{family}.lite", device="cpu", levelled=levelled).segment(faded))
        pairs = [(mask > 0, wanted > 0) for mask, wanted in zip(masks[1:], truth.masks[1:]) if wanted is not None]
        found.append(np.mean([(m & t).sum() / (m | t).sum() for m, t in pairs]))
    assert found[1] > found[0] + 0.05, found


@pytest.mark.parametrize("option", ["size", "memory", "gap"])
def test_impossible_options_are_refused(option: str) -> None:
    with pytest.raises(UsageError, match=f"option {option} is 0"):
        load_adapter("aoc.lite", "random", "cpu", **{option: 0})


def test_memory_is_bounded_and_keeps_what_was_given(adapter: LiteAdapter) -> None:
    network = adapter.network
    memory = network.memory(2)
    labels = torch.zeros(1, 33, 33, dtype=torch.long)
    labels[:, 8:20, 8:20] = 1
    image = torch.rand(1, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = network.encode(image)
        network.remember(features, memory, labels, 2, True, True)
        for _ in range(4):
            network.segment(features, memory, 2)
            network.remember(features, memory, labels, 2, True, False)
    kept = memory.groups[0].bank.references if isinstance(network, AOTLite) else [r.given for r in memory.references]
    assert kept == [True, False]


def test_a_batch_is_its_samples_side_by_side(adapter: LiteAdapter) -> None:
    """What training computes for a batch is what inference computes for each of its clips."""
    network = adapter.network
    rng = torch.Generator().manual_seed(1)
    images = torch.rand(2, 2, 3, 65, 81, generator=rng)  # frame, sample
    labels = torch.randint(0, 3, (2, 9, 11), generator=rng).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels = labels[:, :65, :81]

    def run(chosen: slice) -> torch.Tensor:
        memory = network.memory()
        first, second = (network.encode(frame[chosen]) for frame in images)
        network.remember(first, memory, labels[chosen], 3, True, True)
        return network.segment(second, memory, 3)

    with torch.no_grad():
        alone = torch.cat([run(slice(0, 1)), run(slice(1, 2))])
        together = run(slice(0, 2))
    with torch.enable_grad():
        trained = run(slice(0, 2))
    assert together.shape == (2, 3, 17, 21)
    assert torch.allclose(alone, together, atol=2e-4)
    assert torch.allclose(trained, together, atol=2e-4)


def test_training_and_inference_paths_give_the_same_logits(adapter: LiteAdapter) -> None:
    network = adapter.network
    rng = torch.Generator().manual_seed(2)
    images = torch.rand(2, 1, 3, 65, 65, generator=rng)
    labels = torch.zeros(1, 65, 65, dtype=torch.long)
    labels[:, 10:40, 20:50] = 1

    def run() -> torch.Tensor:
        memory = network.memory()
        network.remember(network.encode(images[0]), memory, labels, 2, True, True)
        return network.segment(network.encode(images[1]), memory, 2)

    with torch.enable_grad():
        trained = run()
    with torch.no_grad():
        fast = run()
    assert torch.allclose(trained, fast, atol=2e-4)
    assert full(fast, (65, 65)).shape == (1, 2, 65, 65)


def test_slots_keep_their_objects_under_any_identity() -> None:
    """With identities shuffled, `aot.lite` reads each slot's logits back from its own identity."""
    network = cast(LiteAdapter, load_adapter("aot.lite", "random", "cpu")).network
    assert isinstance(network, AOTLite)
    image = torch.rand(1, 3, 33, 33, generator=torch.Generator().manual_seed(3))
    labels = torch.zeros(1, 33, 33, dtype=torch.long)
    labels[:, 4:16, 4:16], labels[:, 18:30, 4:30] = 1, 2
    swapped = torch.where(labels > 0, 3 - labels, 0)
    out = []
    with torch.no_grad():
        features = network.encode(image)
        for given, identities in ((labels, [[0, 2, 1]]), (swapped, None)):
            memory = network.memory()
            if identities is not None:
                network.disguise(memory, torch.tensor(identities))
            network.remember(features, memory, given, 3, True, True)
            out.append(network.segment(features, memory, 3))
    assert torch.allclose(out[0], out[1][:, [0, 2, 1]], atol=1e-5)


def test_merged_groups_rank_objects_across_groups() -> None:
    one, two = torch.full((1, 4, 1, 1), -4.0), torch.full((1, 4, 1, 1), -4.0)
    one[0, 0], two[0, 2] = 4, 6
    assert int(merged([one, two], 6).argmax(1)) == 5


def test_identities_that_nobody_holds_take_nothing() -> None:
    full_group, last = torch.zeros(1, 4, 1, 1), torch.zeros(1, 4, 1, 1)
    last[0, 1] = 3  # the only object of the last group
    found = torch.sigmoid(merged([full_group, last], 5))
    last[0, 2:] = 9
    assert found.shape == (1, 5, 1, 1)
    assert torch.equal(torch.sigmoid(merged([full_group, last], 5)), found)
    assert float(found[0, 4]) == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-4)


def test_clusters_are_means_of_their_members_and_empty_slots_have_none() -> None:
    rng = torch.Generator().manual_seed(4)
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    rows = (centres.repeat_interleave(20, 0) + 0.1 * torch.randn(60, 2, generator=rng)).T[None]
    mine = torch.zeros(1, 3, 60, dtype=torch.bool)
    mine[0, 0, :40], mine[0, 1, 40:] = True, True
    found, own = clustered(rows, mine, 4)
    assert found.shape == (1, 2, 12) and own.shape == (1, 3, 12)
    assert own[0, 0].sum() >= 2 and own[0, 1].any() and not own[0, 2].any()
    for slot, places in ((0, centres[:2]), (1, centres[2:])):
        near = torch.cdist(found[0].T[own[0, slot]], places).amin(1)
        assert (near < 0.5).all()
    assert not (own[0].sum(0) > 1).any()


def test_pixels_of_no_slot_are_no_reference_but_still_the_previous_frame() -> None:
    network = cast(LiteAdapter, load_adapter("cfbi.lite", "random", "cpu")).network
    memory = network.memory()
    labels = torch.zeros(1, 33, 33, dtype=torch.long)
    labels[:, :16] = 1
    doubtful = torch.zeros(1, 33, 33, dtype=torch.bool)
    doubtful[:, :16] = True
    with torch.no_grad():
        network.remember(network.encode(torch.rand(1, 3, 33, 33)), memory, labels, 2, True, False, doubtful)
    assert memory.previous.mine[0, 1].any() and not memory.references[0].mine[0, 1].any()
    assert not memory.references[0].mine[0, :, 0].any(), "nor are they background"
    assert memory.references[0].mine[0, 0, -1].all()
    assert UNCERTAIN not in (0, 1)
