"""Frames that do not arrive, and exposure, focus, hands and resolution that change."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from robust_vos_bench.conditions import Condition, Draw, corrupt_video, find_corruption
from robust_vos_bench.corruptions._optics import blur_with, disk_kernel, trail_kernel
from robust_vos_bench.datasets.video import Video

MakeDraw = Callable[..., Draw]
HOLDS = ("frozen_frames", "dropped_frames", "repeated_frames")
OPTICS = ("exposure_flicker", "focus_hunting", "camera_shake", "resolution_drops")


def shown(name: str, severity: int, make_draw: MakeDraw, frames: int = 240, **fields: object) -> list[int]:
    """Index of the frame that is shown at each moment."""
    clip = [np.full((2, 2, 3), t, np.uint8) for t in range(frames)]
    draw = make_draw(name, severity, num_frames=frames, **fields)
    return [int(frame[0, 0, 0]) for frame in find_corruption(name).function(iter(clip), float(severity), draw)]


@pytest.mark.parametrize("name", HOLDS)
def test_held_frames_are_past_ones_and_time_catches_up(name: str, make_draw: MakeDraw) -> None:
    live = []
    for severity in (1, 2, 3, 4, 5):
        indices = shown(name, severity, make_draw)
        assert len(indices) == 240 and indices[0] == 0
        assert all(index <= t for t, index in enumerate(indices))
        assert all(b in (a, t) for t, (a, b) in enumerate(pairwise(indices), start=1))
        live.append(sum(index == t for t, index in enumerate(indices)))
    assert live == sorted(live, reverse=True) and live[0] > live[4]


def test_frames_lost_at_a_higher_severity_include_those_of_a_lower_one(make_draw: MakeDraw) -> None:
    lost = [{t for t, i in enumerate(shown("dropped_frames", level, make_draw)) if i != t} for level in (1, 2, 3, 4, 5)]
    assert all(low < high for low, high in pairwise(lost))
    assert len(lost[4]) / 240 == pytest.approx(0.7, abs=0.09)


def test_repeated_frames_lower_the_frame_rate(make_draw: MakeDraw) -> None:
    assert shown("repeated_frames", 2, make_draw, frames=8) == [0, 0, 0, 3, 3, 3, 6, 6]


def test_freezes_last_as_long_as_stated(make_draw: MakeDraw) -> None:
    lengths = []
    for video in range(20):
        indices = np.array(shown("frozen_frames", 4, make_draw, video=f"v{video}"))
        held = indices != np.arange(240)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(int), [0]])))
        # The last freeze may be cut short by the end of the clip.
        lengths += [stop - start for start, stop in zip(edges[::2], edges[1::2]) if stop < 240]
    assert np.mean(lengths) / 24.0 == pytest.approx(1.0, abs=0.1)
    assert min(lengths) >= 12 and max(lengths) <= 36


@pytest.mark.parametrize("name", HOLDS)
def test_a_clip_of_one_frame_stays(name: str, make_draw: MakeDraw) -> None:
    assert shown(name, 5, make_draw, frames=1) == [0]


def test_holding_streams(make_draw: MakeDraw) -> None:
    taken = 0

    def source():  # type: ignore[no-untyped-def]
        nonlocal taken
        for t in range(50):
            taken += 1
            yield np.full((2, 2, 3), t, np.uint8)

    held = find_corruption("dropped_frames").function(source(), 5.0, make_draw("dropped_frames", num_frames=50))
    for given, _ in enumerate(held, start=1):
        assert taken == given


@pytest.mark.parametrize("name", OPTICS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (5, 4), (61, 83)])
def test_optics_take_any_size_and_leave_their_input(name: str, size: tuple[int, int], make_draw: MakeDraw) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = frame.copy()
    for severity in (1.0, 3.4, 5.0):
        result = find_corruption(name).function(frame, severity, make_draw(name, round(severity), frame=7))
        assert result.shape == frame.shape and result.dtype == np.uint8
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("name", OPTICS)
def test_optics_grow_with_severity_over_a_clip(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    frame = photo[100:340, 100:340]
    change = []
    for severity in (1, 3, 5):
        draws = [make_draw(name, severity, frame=t) for t in range(0, 24, 3)]
        results = [find_corruption(name).function(frame, float(severity), draw) for draw in draws]
        change.append(np.mean([np.abs(result.astype(int) - frame).mean() for result in results]))
    assert 0.3 < change[0] < change[1] < change[2]


@pytest.mark.parametrize("name", OPTICS)
def test_frames_are_the_same_in_any_order(name: str, photo: np.ndarray) -> None:
    clip = [np.ascontiguousarray(photo[t : t + 64, :80]) for t in range(8)]
    video = Video.from_arrays(clip, np.eye(64, 80, dtype=np.uint8))
    frames = corrupt_video(video, Condition(name, 4)).frames
    forward = list(frames)
    assert all(np.array_equal(frames[t], forward[t]) for t in (5, 0, 7, 2))  # type: ignore[index]


def test_flicker_stays_within_its_stops_and_is_even(make_draw: MakeDraw) -> None:
    grey = np.full((4, 4, 3), 118, np.uint8)
    light = []
    for video in range(30):
        for t in range(0, 24, 4):
            draw = make_draw("exposure_flicker", 3, frame=t, video=f"v{video}")
            code = find_corruption("exposure_flicker").function(grey, 3.0, draw)[0, 0, 0] / 255.0
            light.append(np.log2(((code + 0.055) / 1.055) ** 2.4 / ((118 / 255 + 0.055) / 1.055) ** 2.4))
    assert np.abs(light).max() <= 1.0 + 0.03
    assert abs(np.mean(light)) < 0.1 and np.std(light) > 0.2


def test_kernels_are_centred_and_keep_brightness() -> None:
    path = np.cumsum(np.random.default_rng(0).normal(size=(2, 65)), axis=1)
    for kernel in (disk_kernel(0.0), disk_kernel(3.3), trail_kernel(path), trail_kernel(path * 0.0)):
        assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
        reach = kernel.shape[0] // 2
        steps = np.arange(-reach, reach + 1)
        assert abs((kernel.sum(0) * steps).sum()) < 1e-3 and abs((kernel.sum(1) * steps).sum()) < 1e-3
    flat = np.full((30, 30, 3), 77, np.uint8)
    assert np.abs(blur_with(flat, disk_kernel(6.0)).astype(int) - 77).max() <= 1
    assert disk_kernel(0.0).shape == (1, 1)


def test_shake_length_is_the_stated_one(make_draw: MakeDraw, monkeypatch: pytest.MonkeyPatch) -> None:
    from robust_vos_bench.corruptions import temporal

    lengths = []

    def measured(path: np.ndarray) -> np.ndarray:
        lengths.append(np.hypot(*np.diff(path)).sum())
        return np.ones((1, 1), np.float32)

    monkeypatch.setattr(temporal, "trail_kernel", measured)
    frame = np.zeros((480, 480, 3), np.uint8)
    for video in range(60):
        for t in range(0, 24, 3):
            temporal.camera_shake(frame, 4.0, make_draw("camera_shake", 4, frame=t, video=f"v{video}"))
    assert np.mean(lengths) == pytest.approx(24.0, rel=0.15)
