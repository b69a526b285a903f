"""The batched torch back end against the compiled one, integer by integer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring_clips import make_truth

from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring import VideoScorer
from robust_vos_bench.scoring.torch_backend import count_masks

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def expected(pred: np.ndarray, truth: np.ndarray, objects: int) -> np.ndarray:
    """(N, K, 7) by the compiled kernels."""
    start = np.zeros_like(truth[0])
    start.ravel()[:objects] = np.arange(1, objects + 1)
    scorer = VideoScorer(make_truth([start, *truth, start]), backend="numba")
    for t, mask in enumerate(pred):
        scorer.add(t + 1, mask)
    return scorer.counts()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [(3, 4), (7, 63), (9, 64), (12, 65), (40, 130), (70, 200), (2, 9000), (120, 214)])
def test_counts_equal_the_compiled_ones(size: tuple[int, int], device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(size[1])
    n, objects = 5, 3
    truth = np.zeros((n, *size), np.uint8)
    pred = np.zeros((n, *size), np.uint8)
    for t in range(n):
        for masks in (truth, pred):
            for k in range(1, objects + 1):
                y, x = rng.integers(size[0]), rng.integers(size[1])
                masks[t, y : y + rng.integers(1, size[0] + 1), x : x + rng.integers(1, size[1] + 1)] = k
    truth[1] = 0
    pred[2] = 0
    pred[3][rng.random(size) < 0.1] = 2
    pred[4] = 1
    found = count_masks(torch.from_numpy(pred).to(device), torch.from_numpy(truth).to(device), objects)
    assert found.dtype == torch.int64
    assert found.device.type == device
    np.testing.assert_array_equal(found.cpu().numpy(), expected(pred, truth, objects))


def test_labels_above_the_objects_are_background() -> None:
    pred = torch.tensor([[[1, 9], [255, 0]]], dtype=torch.uint8)
    truth = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    assert count_masks(pred, truth, 1)[0, 0, :3].tolist() == [1, 2, 1]


def test_wrong_tensors_are_refused() -> None:
    with pytest.raises(DataError, match="uint8"):
        count_masks(torch.zeros((1, 2, 2)), torch.zeros((1, 2, 2)), 1)
