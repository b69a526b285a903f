"""Shared layers: private randomness, no silent downloads, OpenCV settings."""

from __future__ import annotations

import random
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.kit.downloads import no_downloads
from robust_vos_bench.adapters.kit.opencv import one_opencv_thread
from robust_vos_bench.adapters.kit.random_state import ForkedRng
from robust_vos_bench.adapters.kit.tensors import strongest
from robust_vos_bench.errors import WeightsError


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_forked_rng_is_private_and_goes_on() -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = [draws() for _ in range(3)]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    forked = ForkedRng(7)
    outside, inside = [], []
    for _ in range(3):
        outside.append(draws())
        with forked:
            inside.append(draws())
    assert outside == expected
    again = ForkedRng(7)
    with again:
        assert [draws() for _ in range(3)] == inside
    assert len(set(inside)) == 3


def test_forked_rng_survives_an_error_and_refuses_to_nest() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    forked = ForkedRng(1)
    with pytest.raises(KeyError), forked:
        torch.rand(3)
        raise KeyError
    assert torch.equal(before, torch.get_rng_state())
    with forked, pytest.raises(RuntimeError, match="already in use"):
        forked.__enter__()


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


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_the_strongest_slot_is_the_first_of_equal_ones(slots: int) -> None:
    scores = torch.randint(3, (slots, 40, 50), generator=torch.Generator().manual_seed(slots)).float()
    assert torch.equal(strongest(scores), scores.argmax(0))
    assert torch.equal(strongest(scores[None], 1), scores[None].argmax(1))
