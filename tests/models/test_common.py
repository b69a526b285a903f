"""What families share: no silent downloads, OpenCV settings, labels."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import cv2
import pytest
import torch

from robust_vos_bench.adapters.common.downloads import no_downloads
from robust_vos_bench.adapters.common.opencv import one_opencv_thread
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.argmax import FEW, strongest


def test_downloads_are_refused_and_come_back(tmp_path: Path) -> None:
    original = urllib.request.urlopen
    with no_downloads("mine"):
        with pytest.raises(WeightsError, match=r"'mine' tried to download https://example.org/w.pth"):
            torch.hub.load_state_dict_from_url("https://example.org/w.pth", model_dir=str(tmp_path))
        with pytest.raises(WeightsError, match="never fetched silently"):
            urllib.request.urlopen("https://example.org")
    assert urllib.request.urlopen is original


def test_opencv_threads_come_back() -> None:
    before = cv2.getNumThreads()
    with pytest.raises(ValueError), one_opencv_thread():
        assert cv2.getNumThreads() == 1
        raise ValueError
    assert cv2.getNumThreads() == before


@pytest.mark.parametrize("slots", [1, 2, 5, FEW + 1])
def test_the_strongest_slot_is_the_first_of_equal_ones(slots: int) -> None:
    scores = torch.randint(3, (slots, 40, 50), generator=torch.Generator().manual_seed(slots)).float()
    assert torch.equal(strongest(scores), scores.argmax(0))
    assert torch.equal(strongest(scores[None], 1), scores[None].argmax(1))


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("slots", [1, 4, FEW + 1])
def test_scores_that_are_not_finite_make_no_labels(slots: int, broken: float) -> None:
    scores = torch.zeros(slots, 6, 7)
    scores[:, 2, 3] = broken
    with pytest.raises(FloatingPointError, match="1 of 42 pixels"):
        strongest(scores)
