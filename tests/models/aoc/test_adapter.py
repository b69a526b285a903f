"""The evaluation loop: what is remembered, late objects, ids, and nothing carried from one video to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from recordings import steps

from robust_vos_bench.adapters.aoc.memory import UNCERTAIN, Reference, uncertain
from robust_vos_bench.adapters.aoc.model import AOC, RPCM
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.contract import segment_checked


def video(seed: int = 0, frames: int = 3, ids: tuple[int, int] = (3, 200), late: int | None = 1) -> Video:
    """A small textured clip with two objects, the second from frame `late` on."""
    rng = np.random.default_rng(seed)
    clip = rng.integers(0, 256, (frames, 96, 128, 3), dtype=np.uint8)
    masks = np.zeros((2, 96, 128), np.uint8)
    masks[0, 20:60, 10:50] = ids[0]
    masks[1, 30:80, 70:110] = ids[1]
    prompts = {0: masks[0] + masks[1]} if late is None else {0: masks[0], late: masks[1]}
    return Video.from_arrays(clip, prompts, name=f"clip{seed}")


def settings(adapter: RPCM, monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    for name, value in values.items():
        monkeypatch.setattr(adapter, name, value)


@pytest.mark.parametrize("name", ["aoc", "rpcm"])
def test_contract_late_object_and_repetition(name: str, aoc: AOC, rpcm: RPCM) -> None:
    adapter = aoc if name == "aoc" else rpcm
    first = list(segment_checked(adapter, video()))
    np.testing.assert_array_equal(first[0], video().prompts[0])
    given = video().prompts[1]
    np.testing.assert_array_equal(first[1][given > 0], given[given > 0])
    list(segment_checked(adapter, video(seed=7, late=None)))
    again = list(segment_checked(adapter, video()))
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)


def test_ids_above_the_number_of_objects_are_ranks(rpcm: RPCM) -> None:
    large = list(segment_checked(rpcm, video(ids=(3, 200))))
    small = list(segment_checked(rpcm, video(ids=(1, 2))))
    for a, b in zip(large, small):
        np.testing.assert_array_equal(a, np.array([0, 3, 200], np.uint8)[b])


def test_an_object_with_a_lower_id_that_appears_later(rpcm: RPCM) -> None:
    # the slot of id 3 is empty, and not allowed in the result, before its prompt
    masks = list(segment_checked(rpcm, video(ids=(200, 3), frames=4, late=2)))
    assert not any((mask == 3).any() for mask in masks[:2])
    assert (masks[2] == 3).any()


@pytest.mark.parametrize(
    ("rpa", "mem_every", "late", "expected"),
    [(True, 2, None, [0, 2, 4]), (True, -1, None, [0]), (True, 2, 3, [0, 2, 3, 4]), (False, -1, 3, [0, 3])],
)
def test_which_frames_are_remembered(
    rpcm: RPCM, monkeypatch: pytest.MonkeyPatch, rpa: bool, mem_every: int, late: int | None, expected: list[int]
) -> None:
    settings(rpcm, monkeypatch, rpa=rpa, mem_every=mem_every)
    clip = video(frames=6, late=late)
    session = rpcm.session(clip)
    remembered = []
    add = Reference.add

    def noted(self: Reference, *arguments: Any) -> None:
        remembered.append(session.time)
        add(self, *arguments)

    monkeypatch.setattr(Reference, "add", noted)
    list(steps(session, clip))
    assert remembered == expected


def test_doubtful_pixels_are_remembered_as_no_object(rpcm: RPCM, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(rpcm, monkeypatch, mem_every=5)
    session = rpcm.session(video(late=None))
    session.seen, session.slots, session.time = {0, 1, 2}, 3, 5
    probabilities = torch.tensor([[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]])[:, None]
    labels, remembered = session.decide(probabilities.clone(), None)
    assert labels.tolist() == [[0, 1, 2]]
    assert remembered is not None
    assert remembered.tolist() == [[0, UNCERTAIN, 2]]
    # what is given is certain, and wins
    labels, remembered = session.decide(probabilities.clone(), torch.tensor([[0, 2, 0]]))
    assert labels.tolist() == [[0, 2, 2]]
    assert remembered is not None
    assert remembered.tolist() == [[0, 2, 2]]
    session.time = 6
    assert session.decide(probabilities.clone(), None)[1] is None
    # a slot that was never given cannot win, and its share is not handed on
    session.seen = {0, 2}
    assert session.decide(probabilities.clone(), None)[0].tolist() == [[0, 0, 2]]


def test_two_slots_are_never_uncertain() -> None:
    share = torch.linspace(0, 1, 101)
    assert not uncertain(torch.stack([share, 1 - share])).any()


def test_uncertain_pixels_surround_every_object_unless_corrected() -> None:
    embedding = torch.arange(4.0).reshape(1, 2, 2)
    labels = torch.tensor([[0, 1], [UNCERTAIN, 1]])
    official, corrected = Reference(), Reference(corrected=True)
    for reference in (official, corrected):
        reference.add(embedding, labels, 2)
        assert [len(group) for group in reference.pool.groups(2)] == [1, 2]
        torch.testing.assert_close(reference.means.means(2)[0], torch.tensor([[0.0], [2.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(official.means.means(2)[1], torch.tensor([[2.0], [1.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(corrected.means.means(2)[1], torch.tensor([[2.0], [0.0]]), atol=1e-4, rtol=0)


def test_too_many_objects(rpcm: RPCM) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask.ravel()[:125] = np.arange(1, 126)
    clip = Video.from_arrays(np.zeros((2, 64, 64, 3), np.uint8), mask)
    with pytest.raises(UsageError, match="124"):
        next(iter(rpcm.segment(clip)))


def test_bounded_memory_drops_the_oldest_frame_that_nobody_annotated() -> None:
    frames = [torch.full((1, 2, 2), float(t)) for t in range(4)]
    labels = torch.tensor([[0, 1], [1, 1]])
    bounded, expected = Reference(limit=2), Reference()
    for t, frame in enumerate(frames):
        bounded.add(frame, labels, 2, annotated=t == 0)
    for t in (0, 3):
        expected.add(frames[t], labels, 2)
    assert bounded.frames == 2
    for a, b in zip(bounded.pool.groups(2), expected.pool.groups(2)):
        torch.testing.assert_close(a, b)
    for a, b in zip(bounded.means.means(2), expected.means.means(2)):
        torch.testing.assert_close(a, b)


def test_annotated_frames_stay_above_the_bound() -> None:
    reference = Reference(limit=1)
    for t in range(3):
        reference.add(torch.full((1, 2, 2), float(t)), torch.zeros(2, 2, dtype=torch.long), 1, annotated=True)
    assert reference.frames == 3
