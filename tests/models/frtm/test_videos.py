"""Runs over videos: odd ones, ids in any order, protocols and options, and what must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from recordings import steps

from robust_vos_bench.adapters.frtm import merging
from robust_vos_bench.adapters.frtm.adapter import FRTMAdapter
from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import load_adapter, segment_checked
from robust_vos_bench.models.synthetic import Blob, moving_blobs

from .golden import Fits


def loaded(**options: Any) -> FRTMAdapter:
    found: Any = load_adapter("frtm.resnet18", "random", "cpu", **options)
    assert isinstance(found, FRTMAdapter)
    return found


@pytest.fixture(scope="module")
def adapter() -> FRTMAdapter:
    return loaded()


def clip(mask: np.ndarray, frames: int = 3, first: int = 0) -> Video:
    """Frames of noise of the mask's size; the mask is given on frame `first`."""
    noise = np.random.default_rng(1).integers(0, 256, (frames, *mask.shape, 3), np.uint8)
    return Video.from_arrays(list(noise), {first: mask.astype(np.uint8)}, name="odd")


def masks(adapter: FRTMAdapter, video: Video) -> list[Mask]:
    """Checked against the contract; a given mask is returned on its frame."""
    found = list(segment_checked(adapter, video))
    t = video.first_prompt
    assert len(found) == len(video) and np.array_equal(found[t], video.prompts[t])
    return found


@pytest.mark.parametrize("size", [(9, 7), (1, 1), (33, 2)])
def test_a_video_smaller_than_one_cell(adapter: FRTMAdapter, size: tuple[int, int]) -> None:
    """Smaller than one cell of the coarsest map along one axis or both."""
    mask = np.zeros(size, np.uint8)
    mask[: max(1, size[0] // 2), : max(1, size[1] // 2)] = 3
    masks(adapter, clip(mask, 3))


def test_an_object_of_three_pixels_is_never_learnt_again(adapter: FRTMAdapter) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[20, 21:24] = 200
    masks(adapter, clip(mask))


def test_fifty_objects(adapter: FRTMAdapter) -> None:
    mask = np.zeros((40, 80), np.uint8)
    for i in range(50):
        y, x = divmod(i, 10)
        mask[y * 8 : y * 8 + 6, x * 8 : x * 8 + 6] = 4 * i + 2
    masks(adapter, clip(mask, 2))


def test_an_object_that_fills_the_frame(adapter: FRTMAdapter) -> None:
    """No background is left to weigh: numbers stay finite."""
    video = clip(np.full((24, 40), 7, np.uint8))
    session = adapter.session(video)
    for _ in steps(session, video):
        assert torch.isfinite(session.targets[0].filter).all()


def test_a_first_frame_without_objects(adapter: FRTMAdapter) -> None:
    mask = np.zeros((32, 48), np.uint8)
    mask[4:20, 8:30] = 1
    found = masks(adapter, clip(mask, 4, first=2))
    assert not found[0].any() and not found[1].any()


def test_an_object_that_vanishes_keeps_its_model() -> None:
    """With less than ten pixels neither memory nor filter changes, not even where a fit is due."""
    mask = np.zeros((32, 64), np.uint8)
    mask[:, :40], mask[8:16, 50:60] = 1, 2
    video = clip(mask, 5)
    session = loaded(update_every=2).session(video)
    plain = session.tracked
    session.tracked = lambda *a: vanished(plain(*a))  # type: ignore[method-assign]
    frames = list(video.frames)
    session.step(frames[0], video.prompts[0], False)
    before = [target.filter.clone() for target in session.targets]
    for frame in frames[1:]:
        mask = session.step(frame, None, False)
        assert not (mask == 2).any() and torch.isfinite(session.masks).all()
    one, two = session.targets
    assert one.seen == two.seen == 4
    assert len(one.memory.features) == 9 and not torch.equal(one.filter, before[0])
    assert len(two.memory.features) == 5 and torch.equal(two.filter, before[1])


def vanished(found: Any) -> Any:
    """The first object is where it was, the second nowhere."""
    projected, probabilities = found
    if len(probabilities):
        probabilities[0, :, :40], probabilities[1] = 0.9, 0
    return projected, probabilities


PLACES = ((14, 16), (0.5, 1), (9, 8), 0), ((34, 48), (0, -1), (8, 10), 0), ((16, 50), (0.5, 0), (8, 8), 2)


def blobs(ids: tuple[int, int, int], frames: int = 4) -> Video:
    """Two objects, and one that joins on frame 2."""
    return moving_blobs(tuple(Blob(i, *place) for i, place in zip(ids, PLACES)), (49, 70), frames, name="blobs")


def test_labels_of_late_objects_are_mixed_up_as_official_or_not(adapter: FRTMAdapter) -> None:
    """Ids 3 and 5, then 2. Official: the k-th object to appear gets the k-th smallest id; here from frame 2 on."""
    video = blobs((3, 5, 2))
    plain = [adapter.session(video), adapter.session(video)]
    plain[1].named = lambda labels: np.array([0, *plain[1].ids.ids], np.uint8)[labels]  # type: ignore[method-assign]
    swapped, own = (np.stack(list(steps(session, video))) for session in plain)
    assert np.array_equal(swapped[:2], own[:2])
    table = np.arange(256)
    table[[3, 5, 2]] = [2, 3, 5]
    assert np.array_equal(swapped[3], table[own[3]]) and not np.array_equal(swapped[3], own[3])
    given = video.prompts[2]
    assert (swapped[2][given > 0] == given[given > 0]).all()
    assert any("corrected=true" in text for text in plain[0].diagnostics)
    ascending = adapter.session(blobs((2, 3, 5)))
    assert np.array_equal(np.stack(list(steps(ascending, blobs((2, 3, 5))))), swapped_back(own))
    assert ascending.diagnostics == []


def swapped_back(found: np.ndarray) -> np.ndarray:
    """Ids 3, 5, 2 -> 2, 3, 5, in order of appearance."""
    table = np.arange(256, dtype=np.uint8)
    table[[3, 5, 2]] = [2, 3, 5]
    return table[found]


def test_the_switch_gives_each_object_its_id() -> None:
    right = loaded(corrected=True)
    found = [np.stack(list(segment_checked(right, blobs(ids)))) for ids in ((3, 5, 2), (2, 3, 5))]
    assert np.array_equal(swapped_back(found[0]), found[1]) and len(np.unique(found[0][3])) > 1


def test_the_last_frame_and_the_callers_gradient_mode_change_nothing(adapter: FRTMAdapter) -> None:
    video = blobs((1, 2, 3))
    expected = [mask.copy() for mask in segment_checked(adapter, video)]
    for mode in (torch.enable_grad, torch.inference_mode):
        with mode():
            assert all(np.array_equal(a, b) for a, b in zip(expected, segment_checked(adapter, video)))
    session = adapter.session(video)
    for t, frame in enumerate(video.frames):
        assert np.array_equal(session.step(frame, video.prompts.get(t), False), expected[t])


def test_two_videos_in_turns_and_global_generators(adapter: FRTMAdapter) -> None:
    """Private generators: an object has the same samples whatever ran before it."""
    video = blobs((1, 2, 3), 2)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    one, two = adapter.session(video), adapter.session(video)
    frames = list(video.frames)
    for t, frame in enumerate(frames):
        assert np.array_equal(
            one.step(frame, video.prompts.get(t), False), two.step(frame, video.prompts.get(t), False)
        )
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]


def test_the_other_program_draws_by_video_and_object() -> None:
    """Its streams depend on seed, video and object; its labels come from the objects' own probabilities."""
    other = loaded(protocol="youtube-vos")
    assert other.rules.raw and other.rules.direct and not other.rules.fill and other.fitting.fletcher_reeves
    video = blobs((1, 2, 3))
    draws = [draw(1)[0].normal() for draw in (other.session(video).draws, other.session(video).draws)]
    assert draws[0] == draws[1] != other.session(video).draws(2)[0].normal()
    moved = Video.from_arrays(list(video.frames), video.prompts, name="another")
    assert other.session(moved).draws(1)[0].normal() != draws[0]
    found = np.stack(list(segment_checked(other, video)))
    assert not np.array_equal(found, np.stack(list(segment_checked(loaded(), video))))
    assert not loaded(protocol="youtube-vos", merge="soft").rules.raw and loaded(merge="raw").rules.raw


def test_options_reach_the_fit(adapter: FRTMAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    video = blobs((1, 2, 3), 4)
    fast = loaded(fast=True, memory_slots=6, update_every=1, seed=5)
    session, fits = fast.session(video), Fits(monkeypatch)
    list(steps(session, video))
    target = session.targets[0]
    assert len(target.memory.features) == len(target.memory.weights) == 6
    assert [step.steps for step in fits.last(target)] == [5]
    assert not np.array_equal(fast.session(video).draws(1)[0].normal(), adapter.session(video).draws(1)[0].normal())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "youtube"}, "protocol is 'youtube'; it can be davis, youtube-vos"),
        ({"merge": "hard"}, "merge is 'hard'; it can be soft, raw"),
        ({"memory_slots": 4}, "memory_slots"),
        ({"update_every": 0}, "update_every"),
        ({"variant": "resnet50"}, "variant"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(**options)


def test_merging_is_its_definition() -> None:
    """Odds, the least complement, the second merge: a winner below a half loses against the background."""
    p = torch.tensor([0.9, 0.2, 0.4]).view(3, 1, 1).expand(3, 1, 2).clone()
    odds = np.array([0.1 / 0.9, 0.9 / 0.1, 0.2 / 0.8, 0.4 / 0.6])
    expected = np.exp(odds) / np.exp(odds).sum()
    np.testing.assert_allclose(merging.shares(p)[:, 0, 0], expected, rtol=1e-5)
    won = merging.winners(merging.shares(p))
    np.testing.assert_allclose(won[:, 0, 1], [expected[1], 0, 0], rtol=1e-5)
    for value, label in ((0.51, 1), (0.49, 0)):
        for k in (1, 2):
            masks = torch.zeros(k, 1, 1)
            masks[0] = value
            assert merging.labels(masks).tolist() == [[label]]
