"""DAVIS-C: the mean of the last frames exactly, a cartoon that flattens, compression as stated, the preset."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, find_corruption
from robust_vos_bench.conditions.presets import load_preset

MakeDraw = Callable[..., Draw]


@pytest.mark.parametrize(("severity", "last"), [(1, 2), (2, 3), (3, 4)])
def test_temporal_blur_is_the_weighted_mean_of_the_last_frames(severity: int, last: int, make_draw: MakeDraw) -> None:
    rng = np.random.default_rng(0)
    clip = [rng.integers(0, 256, (7, 9, 3), dtype=np.uint8) for _ in range(9)]
    blur = find_corruption("temporal_motion_blur").function
    result = list(blur(iter(clip), float(severity), make_draw("temporal_motion_blur", severity, num_frames=9)))
    assert len(result) == 9
    for t, frame in enumerate(result):
        past = clip[max(0, t - last + 1) : t + 1]
        weights = np.arange(1, len(past) + 1)
        expected = np.tensordot(weights, np.stack(past).astype(float), 1) / weights.sum()
        assert np.abs(frame - expected).max() <= 0.5 + 1e-3
    assert np.array_equal(result[0], clip[0])


def test_cartoon_flattens_outlines_and_saturates(photo: np.ndarray, make_draw: MakeDraw) -> None:
    cartoon = find_corruption("cartoon").function
    before = photo.copy()
    results = [cartoon(photo, float(level), make_draw("cartoon", level)) for level in (1, 2, 3)]
    assert np.array_equal(photo, before)
    black = [(result == 0).all(axis=2).mean() - (photo == 0).all(axis=2).mean() for result in results]
    # A wider median filter bends less, so fewer outlines are drawn.
    assert black[0] > black[1] > black[2] > 0.005
    colour = [np.ptp(result.astype(int), axis=2)[(result > 0).any(axis=2)].mean() for result in results]
    assert colour[0] < colour[1] < colour[2]
    inside = (results[0] > 0).any(axis=2)
    inside = inside[1:] & inside[:-1]
    step = [np.abs(np.diff(image.astype(int), axis=0)).max(axis=2)[inside] for image in (photo, results[0])]
    assert (step[1] <= 1).mean() > (step[0] <= 1).mean() + 0.2
    assert np.array_equal(results[2], cartoon(photo, 3.0, make_draw("cartoon", 3)))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1), (17, 3)])
def test_cartoon_takes_any_size(size: tuple[int, int], make_draw: MakeDraw) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for level in (1.0, 2.5, 3.0):
        result = find_corruption("cartoon").function(frame, level, make_draw("cartoon"))
        assert result.shape == frame.shape and result.dtype == np.uint8


def test_compression_falls_and_repeats(photo: np.ndarray, make_draw: MakeDraw) -> None:
    pytest.importorskip("av", reason="needs the extra [video]")
    clip = [np.ascontiguousarray(photo[t : t + 144, 2 * t : 2 * t + 177]) for t in range(10)]
    compress = find_corruption("crf_compression").function
    errors = []
    for level in (1, 2, 3):
        draw = make_draw("crf_compression", level, num_frames=10)
        result = list(compress(iter(clip), float(level), draw))
        again = list(compress(iter(clip), float(level), draw))
        assert len(result) == 10 and all(np.array_equal(a, b) for a, b in zip(result, again))
        errors.append(np.mean([(a.astype(float) - b) ** 2 for a, b in zip(result, clip)]))
    assert errors[0] < errors[1] < errors[2]


def test_preset_is_the_published_set() -> None:
    preset = load_preset("davis-c")
    assert len(preset.corruptions) + len(preset.left_out) == 14
    assert len(preset.conditions()) == 30
    levels = {entry.corruption: entry.severities for entry in preset.entries}
    own = {"cartoon", "temporal_motion_blur", "crf_compression"}
    assert all(levels[name] == ((1, 2, 3) if name in own else (3, 4, 5)) for name in levels)
    assert find_corruption("crf_compression").values == (40.0, 45.0, 50.0)
