"""TBD's size rule and aggregation."""

from __future__ import annotations

import numpy as np
import torch

from robust_vos_bench.adapters.memory.tbd import inner_size
from robust_vos_bench.adapters.memory.tbd_network import shares
from robust_vos_bench.datasets.video import Video


def video(side: int) -> Video:
    """720 x 1281 with one square object."""
    mask = np.zeros((720, 1281), np.uint8)
    mask[:side, :side] = 9
    return Video.from_arrays([np.zeros((720, 1281, 3), np.uint8)], mask)


def test_a_tiny_object_keeps_the_frames_size() -> None:
    """46 x 46 pixels become 31 x 31 at 480, which is fewer than 1000; 60 x 60 become 1600."""
    assert inner_size(video(46), 480) == (720, 1281)
    assert inner_size(video(60), 480) == (480, 854)
    assert inner_size(video(46), None) == (720, 1281)


def test_shares_sum_to_one_and_follow_the_odds() -> None:
    """One object of probability 0.8 has odds 4; the background has the inverse."""
    found = shares(torch.tensor([0.2, 0.8]).view(1, 2, 1, 1))[:, 0, 0]
    assert torch.allclose(found, torch.tensor([0.25, 4.0]) / 4.25)
    two = shares(torch.tensor([[0.2, 0.8], [0.9, 0.1]]).view(2, 2, 1, 1))[:, 0, 0]
    assert torch.allclose(two, torch.tensor([0.25, 4.0, 1 / 9]) / (4.25 + 1 / 9))
