"""Sequences that make their items when they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.conditions.apply import CorruptedFrames, MovedMasks
from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.datasets.files import FrameFiles, MaskFiles
from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.datasets.opening import open_dataset


class Squares(Lazy[int]):
    def __init__(self) -> None:
        self.made: list[int] = []

    def __len__(self) -> int:
        return 5

    def at(self, t: int) -> int:
        self.made.append(t)
        if t == 3:
            raise IndexError("of its own")
        return t * t


def test_indices_and_slices_are_those_of_a_list() -> None:
    squares = Squares()
    assert [squares[2], squares[-1], squares[-5]] == [4, 16, 0] and squares.made == [2, 4, 0]
    assert squares[::-2] == [16, 4, 0] and squares[1:3] == [1, 4] and squares[5:] == []
    for beyond in (5, -6):
        with pytest.raises(IndexError, match=f"item {beyond} of 5"):
            squares[beyond]
    with pytest.raises(IndexError, match="of its own"):
        squares[-2]


def test_a_slice_of_files_decodes_nothing() -> None:
    paths = (Path("absent/0.png"), Path("absent/1.png"), Path("absent/2.png"))
    assert FrameFiles(paths, (4, 4))[1:] == FrameFiles(paths[1:], (4, 4))
    assert MaskFiles(paths, (4, 4), (0,) * 256, False)[::-1] == MaskFiles(paths[::-1], (4, 4), (0,) * 256, False)


def test_corrupted_frames_and_masks_by_any_index() -> None:
    data = open_dataset("demo")
    video, truth = data.video("cat"), data.truth("cat")
    frames = CorruptedFrames(video, Condition("elastic_transform", 3))
    masks = MovedMasks(truth.masks, frames)
    last = len(video) - 1
    assert np.array_equal(frames[-1], frames[last]) and np.array_equal(frames[last:][0], frames[last])
    assert np.array_equal(masks[-1], masks[last]) and np.array_equal(masks[-2:][1], masks[last])
    for lazy in (frames, masks, video.frames, truth.masks):
        with pytest.raises(IndexError):
            lazy[-len(video) - 1]
