"""The perturbations of the ACM MM 2022 study."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, find_corruption


@pytest.mark.parametrize(("severity", "std"), ((1, 5), (2, 10), (3, 30)))
def test_additive_noise_is_rounded_not_truncated(severity: int, std: int, make_draw: Callable[..., Draw]) -> None:
    flat = np.full((300, 400, 3), 128, np.uint8)
    noise = find_corruption("additive_noise").function(flat, float(severity), make_draw("additive_noise", severity))
    change = noise.astype(float) - 128
    assert abs(change.mean()) < 5 * std / math.sqrt(change.size)
    # Rounding adds the variance of a uniform error, 1/12.
    assert change.std() == pytest.approx(math.sqrt(std**2 + 1 / 12), rel=0.01)
    dark = np.zeros((300, 400, 3), np.uint8)
    clipped = find_corruption("additive_noise").function(dark, float(severity), make_draw("additive_noise", severity))
    assert clipped.mean() == pytest.approx(std / math.sqrt(2 * math.pi), rel=0.03)


@pytest.mark.parametrize(("severity", "side"), ((1, 3), (2, 5), (3, 9)))
def test_mean_blur_is_a_box(severity: int, side: int, make_draw: Callable[..., Draw]) -> None:
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    blurred = find_corruption("mean_blur").function(point, float(severity), make_draw("mean_blur", severity))
    expected = np.zeros((31, 31), int)
    half = side // 2
    expected[15 - half : 16 + half, 15 - half : 16 + half] = round(255 / side**2)
    assert (blurred == expected[..., None]).all()


@pytest.mark.parametrize(("severity", "points"), ((1, 1000), (2, 3000), (3, 5000)))
def test_salt_and_pepper_counts(severity: int, points: int, make_draw: Callable[..., Draw]) -> None:
    flat = np.full((720, 1280, 3), 99, np.uint8)
    draw = make_draw("salt_and_pepper", severity)
    noisy = find_corruption("salt_and_pepper").function(flat, float(severity), draw)
    assert set(np.unique(noisy)) == {0, 99, 255}
    black, white = ((noisy == level).all(2).sum() for level in (0, 255))
    assert ((noisy != 99).any(2) == (noisy != 99).all(2)).all()
    expected = points - points**2 / (2 * 720 * 1280)
    assert abs(black + white - expected) < 5 * math.sqrt(points**2 / (2 * 720 * 1280)) + 2
    assert abs(int(black) - int(white)) < 40


def test_later_points_win(make_draw: Callable[..., Draw]) -> None:
    """On one pixel the last of 1000 points, an odd one, is white; against a plain loop on a small frame."""
    function = find_corruption("salt_and_pepper").function
    one = np.full((1, 1, 3), 50, np.uint8)
    assert (function(one, 1.0, make_draw("salt_and_pepper", 1)) == 255).all()
    frame = np.full((20, 30, 3), 50, np.uint8)
    draw = make_draw("salt_and_pepper", 1)
    rng = draw.rng()
    rows, columns = rng.integers(20, size=1000), rng.integers(30, size=1000)
    expected = frame.copy()
    for i, (y, x) in enumerate(zip(rows, columns)):
        expected[y, x] = 0 if i % 2 == 0 else 255
    assert (function(frame, 1.0, draw) == expected).all()
