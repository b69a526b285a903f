"""The per-object range protocol: late objects, gaps, sparse annotations, explicit switches, seen and unseen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.scoring import reference
from helpers.scoring.clips import make_truth
from robust_vos_bench.errors import ContractError, DataError, UsageError
from robust_vos_bench.scoring import ObjectScore, Protocol, VideoScorer, make_protocol
from robust_vos_bench.scoring.tables import seen_unseen

SIZE = (20, 30)


def square(*items: tuple[int, int]) -> np.ndarray:
    """Objects (id, column) as 6 x 6 squares."""
    mask = np.zeros(SIZE, np.uint8)
    for label, x in items:
        mask[4:10, x : x + 6] = label
    return mask


@pytest.fixture
def masks() -> list[np.ndarray | None]:
    """Object 2 in frames 0..8, object 5 in frames 4..6; only every second frame is annotated."""
    dense = [square((2, 2), *([(5, 12)] if 4 <= t <= 6 else [])) for t in range(10)]
    return [mask if t % 2 == 0 else None for t, mask in enumerate(dense)]


def scored(masks: list[np.ndarray | None], protocol: str | Protocol) -> dict[int, ObjectScore]:
    scorer = VideoScorer(make_truth(masks, categories={2: "dog", 5: "ufo"}), protocol)
    for t in range(len(masks)):
        scorer.add(t, square((2, 2), (5, 13)))
    return {score.object: score for score in scorer.result()}


@pytest.mark.parametrize(
    ("label", "two", "five"),
    [
        ("ranges", (2, 4, 6, 8), (6,)),
        ("ranges+first_frame", (0, 2, 4, 6, 8), (4, 6)),
        ("ranges+no_last_frame", (2, 4, 6), ()),
        ("ranges+range_end=video", (2, 4, 6, 8), (6, 8)),
        ("ranges+first_frame+no_last_frame+range_end=video", (0, 2, 4, 6), (4, 6)),
    ],
)
def test_which_frames_count(
    masks: list[np.ndarray | None], label: str, two: tuple[int, ...], five: tuple[int, ...]
) -> None:
    scores = scored(masks, label)
    assert scores[2].indices == two
    assert scores[5].indices == five
    assert make_protocol(label).label == label
    assert scores[2].category == "dog"
    expected = reference.j_and_f(reference.counts(square((5, 13)) == 5, square((5, 12)) == 5))
    for t, j, f in zip(five, scores[5].j, scores[5].f):
        assert (j, f) == (expected if t < 8 else (0.0, 0.0))


def test_what_a_corruption_moves_out_of_the_picture_still_counts(masks: list[np.ndarray | None]) -> None:
    moved = [None if mask is None else np.where(mask == 5, 0, mask).astype(np.uint8) for mask in masks]
    truth = replace(make_truth(masks), masks=moved, unmoved=masks)
    for label, five in (("ranges", (6,)), ("ranges+first_frame", (4, 6)), ("ranges+range_end=video", (6, 8))):
        scorer = VideoScorer(truth, label)
        for t in range(len(masks)):
            scorer.add(t, square((2, 2)))
        two, other = scorer.result()
        assert two.indices == scored(masks, label)[2].indices and other.indices == five, label
        assert other.j == (1.0,) * len(five), "nothing there, and nothing found"


def test_ids_may_have_gaps_but_not_be_unknown(masks: list[np.ndarray | None]) -> None:
    scorer = VideoScorer(make_truth(masks), "ranges")
    with pytest.raises(ContractError, match="predicted object id 3, but video 'clip' has only 2, 5"):
        scorer.add(2, square((3, 0)))


def test_seen_and_unseen(masks: list[np.ndarray | None]) -> None:
    scores = scored(masks, "ranges")
    found = seen_unseen(scores.values(), frozenset({"dog"}))
    assert found["J_seen"] == scores[2].j_mean
    assert found["F_unseen"] == scores[5].f_mean
    assert found["G"] == np.mean([scores[2].j_mean, scores[5].j_mean, scores[2].f_mean, scores[5].f_mean])
    assert np.isnan(seen_unseen([scores[2]], frozenset({"dog"}))["G"])


def test_davis_uses_the_annotated_frames_alone(masks: list[np.ndarray | None]) -> None:
    scorer = VideoScorer(make_truth(masks))
    assert scorer.frames == (2, 4, 6)
    for t in range(10):
        scorer.add(t, square((2, 2)))
    assert [score.object for score in scorer.result()] == [1, 2]
    assert scorer.result()[1].indices == (2, 4, 6)


def test_wrong_protocols() -> None:
    with pytest.raises(UsageError, match=r"unknown scoring protocol 'davos'. Did you mean 'davis'"):
        make_protocol("davos")
    with pytest.raises(UsageError, match="unknown scoring switch"):
        make_protocol("ranges+first")
    with pytest.raises(UsageError, match="belong to the protocol ranges"):
        Protocol("davis", first_frame=True)
    with pytest.raises(DataError, match="no annotated frame"):
        clip = make_truth([square((1, 1))])
        VideoScorer(type(clip)("clip", SIZE, ("00000",), [None], {}))
