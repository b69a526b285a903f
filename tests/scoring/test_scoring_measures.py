"""J and F of random and awkward masks against a plain slow reference, bit by bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.scoring import reference
from helpers.scoring.clips import make_truth
from robust_vos_bench.errors import ContractError, DataError, UsageError
from robust_vos_bench.scoring import PackedTruth, VideoScorer, global_scores
from robust_vos_bench.scoring.measures import half_widths, radius
from robust_vos_bench.scoring.statistics import decay_edges, statistics

SIZES = [(1, 1), (1, 7), (9, 1), (2, 2), (3, 64), (5, 63), (4, 65), (64, 64), (30, 128), (17, 129), (33, 200), (75, 90)]


def random_labels(rng: np.random.Generator, size: tuple[int, int], kind: str, objects: int) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    if kind == "noise":
        mask[:] = rng.integers(0, objects + 1, size)
    elif kind == "sparse":
        mask[rng.random(size) < 0.02] = rng.integers(1, objects + 1)
    elif kind == "full":
        mask[:] = rng.integers(1, objects + 1)
    elif kind == "pixel":
        mask[rng.integers(size[0]), rng.integers(size[1])] = rng.integers(1, objects + 1)
    elif kind == "boxes":
        for _ in range(int(rng.integers(1, 8))):
            y, x = rng.integers(-5, size[0]), rng.integers(-5, size[1])
            h, w = rng.integers(1, size[0] + 6), rng.integers(1, size[1] + 6)
            mask[max(y, 0) : y + h, max(x, 0) : x + w] = rng.integers(0, objects + 1)
    return mask


def check(truth: np.ndarray, pred: np.ndarray, objects: int, backend: str) -> None:
    """Counts, J and F of one frame against the reference, for every object."""
    start = np.zeros_like(truth)
    start.ravel()[:objects] = np.arange(1, objects + 1)[: start.size]
    clip = make_truth([start, truth, start])
    known = int(start.max())
    scorer = VideoScorer(clip, backend=backend)
    pred = np.where(pred > known, 0, pred).astype(np.uint8)
    scorer.add(1, pred)
    counts = scorer.counts()[0].tolist()
    for k, score in enumerate(scorer.result()):
        expected = reference.counts(pred == k + 1, truth == k + 1)
        assert counts[k] == expected
        assert (score.j[0], score.f[0]) == reference.j_and_f(expected)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.one_of(st.sampled_from(SIZES), st.tuples(st.integers(1, 50), st.integers(1, 150))),
    st.sampled_from(["noise", "sparse", "boxes", "full", "pixel", "empty"]),
    st.sampled_from(["noise", "sparse", "boxes", "full", "pixel", "empty"]),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_random_masks_equal_the_reference(
    size: tuple[int, int], truth_kind: str, pred_kind: str, objects: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truth, pred = random_labels(rng, size, truth_kind, objects), random_labels(rng, size, pred_kind, objects)
    if rng.random() < 0.3:
        truth[rng.random(size) < 0.1] = 255
    for backend in ("numpy", "numba"):
        check(truth, pred, objects, backend)


@pytest.mark.parametrize("size", [(480, 854), (2, 9000), (260, 700)])
def test_large_and_long_frames(size: tuple[int, int], backend: str) -> None:
    rng = np.random.default_rng(7)
    check(random_labels(rng, size, "boxes", 2), random_labels(rng, size, "boxes", 2), 2, backend)
    check(random_labels(rng, size, "boxes", 1), random_labels(rng, size, "sparse", 1), 1, backend)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1080, 1920), (720, 1280), (8100, 3)])
def test_video_resolutions(size: tuple[int, int], backend: str) -> None:
    rng = np.random.default_rng(8)
    for kind in ("boxes", "noise"):
        check(random_labels(rng, size, "boxes", 1), random_labels(rng, size, kind, 1), 1, backend)


@pytest.mark.parametrize(("size", "expected"), [((480, 854), 8), ((480, 1152), 10), ((1080, 1920), 18), ((1, 1), 1)])
def test_tolerance(size: tuple[int, int], expected: int) -> None:
    assert radius(*size) == expected


@pytest.mark.parametrize("r", [1, 2, 5, 8, 18, 36, 72])
def test_half_widths_are_the_rows_of_the_disk(r: int) -> None:
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    disk = x * x + y * y <= r * r
    assert half_widths(r).tolist() == [int((disk[r + dy].sum() - 1) // 2) for dy in range(r + 1)]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 256), st.integers(0, 2**32 - 1))
def test_statistics_equal_the_reference_up_to_256_frames(length: int, seed: int) -> None:
    values = np.round(np.random.default_rng(seed).random(length), 2)
    assert statistics(values) == reference.statistics(values) == statistics(values, wrap=True)


@pytest.mark.parametrize("length", [257, 300, 511, 1000])
def test_decay_of_long_videos_is_unwrapped_unless_asked(length: int) -> None:
    values = np.random.default_rng(length).random(length)
    assert statistics(values) == reference.statistics(values, wrap=False)
    assert statistics(values, wrap=True) == pytest.approx(reference.statistics(values, wrap=True), abs=0, nan_ok=True)
    assert decay_edges(length)[-1] == length - 1
    assert decay_edges(length, wrap=True).max() < 256


def test_statistics_of_no_frame_are_nan() -> None:
    assert all(math.isnan(value) for value in statistics(np.empty(0)))


def test_global_scores_are_plain_means_in_official_order() -> None:
    rng = np.random.default_rng(3)
    clip = make_truth([random_labels(rng, (30, 40), "noise", 3) for _ in range(9)])
    scorer = VideoScorer(clip)
    for t in range(9):
        scorer.add(t, random_labels(rng, (30, 40), "boxes", 3))
    scores = scorer.result()
    found = global_scores(scores)
    assert list(found) == ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"]
    j, f = np.mean([s.j_mean for s in scores]), np.mean([s.f_mean for s in scores])
    assert found["J&F-Mean"] == (j + f) / 2.0
    assert found["F-Decay"] == np.mean([s.f_decay for s in scores])
    assert all(math.isnan(value) for value in global_scores([]).values())


def test_object_ids_may_be_permuted(backend: str) -> None:
    rng = np.random.default_rng(5)
    masks = [random_labels(rng, (40, 50), "boxes", 3) for _ in range(6)]
    masks[0].ravel()[:3] = [1, 2, 3]
    preds = [random_labels(rng, (40, 50), "boxes", 3) for _ in range(6)]
    swap = np.array([0, 3, 1, 2], np.uint8)

    def scores(change: np.ndarray) -> list:
        scorer = VideoScorer(make_truth([change[m] for m in masks]), backend=backend)
        for t, mask in enumerate(preds):
            scorer.add(t, change[mask])
        return scorer.result()

    before, after = scores(np.arange(4, dtype=np.uint8)), scores(swap)
    for i in (1, 2, 3):
        assert before[i - 1].j == after[swap[i] - 1].j
        assert before[i - 1].f == after[swap[i] - 1].f


def test_packed_truth_serves_many_runs_and_both_back_ends() -> None:
    rng = np.random.default_rng(6)
    masks = [random_labels(rng, (50, 140), "boxes", 2) for _ in range(7)]
    masks[0].ravel()[:2] = [1, 2]
    packed = PackedTruth(make_truth(masks))
    for run in range(3):
        preds = [random_labels(rng, (50, 140), ("boxes", "noise", "pixel")[run], 2) for _ in masks]
        results = []
        for truth, backend in ((packed, "numba"), (packed, "numpy"), (make_truth(masks), "numba")):
            scorer = VideoScorer(truth, backend=backend)
            for t, mask in enumerate(preds):
                scorer.add(t, mask)
            results.append(scorer.result())
        assert results[0] == results[1] == results[2]


def test_budget_bounds_the_memory_of_truth(backend: str) -> None:
    rng = np.random.default_rng(6)
    masks = [random_labels(rng, (50, 140), "boxes", 2) for _ in range(30)]
    masks[0].ravel()[:2] = [1, 2]
    free, bounded = PackedTruth(make_truth(masks)), PackedTruth(make_truth(masks), budget=20_000)
    for truth in (free, bounded):
        scorer = VideoScorer(truth, backend=backend)
        for t, mask in enumerate(masks):
            scorer.add(t, mask)
        assert scorer.result()[0].j_mean == 1.0
    assert bounded.nbytes <= 20_000 < free.nbytes


def test_frames_of_a_long_video_are_compressed_and_packed_once(backend: str) -> None:
    rng = np.random.default_rng(7)
    masks = [
        np.zeros((90, 140), np.uint8) if t % 5 == 2 else random_labels(rng, (90, 140), "boxes", 2) for t in range(40)
    ]
    masks[0].ravel()[:2] = [1, 2]
    given = [random_labels(rng, (90, 140), "noise", 2) for _ in masks]
    free, small = PackedTruth(make_truth(masks), budget=1 << 30), PackedTruth(make_truth(masks), budget=240_000)
    results = []
    for truth in (free, small, small):  # the second time from what is kept
        scorer = VideoScorer(truth, backend=backend)
        for t, mask in enumerate(given):
            scorer.add(t, mask)
        results.append(scorer.result())
    assert results[0] == results[1] == results[2]
    kept = small._cache.values()
    assert len(kept) == len(small.frames) and small.nbytes < free.nbytes / 2
    assert small.nbytes == sum(frame.nbytes for frame in kept)


def test_write_protected_and_strided_masks_are_fine(backend: str) -> None:
    rng = np.random.default_rng(9)
    masks = [random_labels(rng, (40, 60), "boxes", 1) for _ in range(4)]
    masks[0][0, 0] = 1
    scorer = VideoScorer(make_truth(masks), backend=backend)
    frozen = masks[1].copy()
    frozen.flags.writeable = False
    scorer.add(1, frozen)
    scorer.add(2, np.asfortranarray(masks[2]))
    assert scorer.result()[0].j_mean == 1.0


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((40, 61), np.uint8), r"expected a uint8 mask of \(40, 60\)"),
        (np.zeros((40, 60), np.int64), "int64"),
        (np.zeros((40, 60, 3), np.uint8), r"\(40, 60, 3\)"),
        (np.full((40, 60), 2, np.uint8), "predicted object id 2"),
        (np.full((40, 60), 255, np.uint8), "predicted object id 255"),
        ([[0]], "got list"),
    ],
)
def test_what_an_adapter_must_not_give(mask: object, words: str, backend: str) -> None:
    scorer = VideoScorer(make_truth([np.ones((40, 60), np.uint8)] * 4), backend=backend)
    with pytest.raises(ContractError, match=words) as error:
        scorer.add(1, mask)  # type: ignore[arg-type]
    assert "video 'clip', frame 00001" in str(error.value)


def test_frames_that_do_not_count_may_hold_anything_of_the_right_size() -> None:
    scorer = VideoScorer(make_truth([np.ones((40, 60), np.uint8)] * 3))
    scorer.add(0, np.full((40, 60), 9, np.uint8))
    scorer.add(1, np.ones((40, 60), np.uint8))
    with pytest.raises(ContractError, match="given twice"):
        scorer.add(1, np.ones((40, 60), np.uint8))
    with pytest.raises(ContractError, match="has 3 frames"):
        scorer.add(3, np.ones((40, 60), np.uint8))
    assert scorer.result()[0].jf == 1.0


def test_a_forgotten_frame_is_an_error() -> None:
    scorer = VideoScorer(make_truth([np.ones((4, 6), np.uint8)] * 6))
    scorer.add(2, np.ones((4, 6), np.uint8))
    with pytest.raises(DataError, match=r"no prediction for 3 of 4 scored frames \(00001, 00003, 00004\)"):
        scorer.result()


def test_an_empty_first_mask_is_an_error() -> None:
    with pytest.raises(DataError, match="frame 00000 holds no object"):
        VideoScorer(make_truth([np.zeros((4, 6), np.uint8), np.ones((4, 6), np.uint8)]))


def test_one_and_two_frames_score_nan() -> None:
    for n in (1, 2):
        score = VideoScorer(make_truth([np.ones((4, 6), np.uint8)] * n)).result()[0]
        assert score.frames == 0
        assert math.isnan(score.jf)
        assert score.first_frame is None


def test_thirty_objects(backend: str) -> None:
    rng = np.random.default_rng(30)
    masks = [rng.integers(0, 31, (60, 80)).astype(np.uint8) for _ in range(4)]
    pred = rng.integers(0, 31, (60, 80)).astype(np.uint8)
    scorer = VideoScorer(make_truth(masks), backend=backend)
    for t in (1, 2):
        scorer.add(t, pred)
    scores = scorer.result()
    assert [s.object for s in scores] == list(range(1, 31))
    for k in (0, 13, 29):
        assert scorer.counts()[0, k].tolist() == reference.counts(pred == k + 1, masks[1] == k + 1)


def test_truth_packed_for_another_protocol_is_refused() -> None:
    packed = PackedTruth(make_truth([np.ones((4, 6), np.uint8)] * 3))
    with pytest.raises(UsageError, match="packed for the protocol 'davis'"):
        VideoScorer(packed, "ranges")
