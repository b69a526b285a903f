"""RobustPVOS: curves as published, and intensities that act on the picture."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, find_corruption
from robust_vos_bench.conditions.presets import load_preset
from robust_vos_bench.corruptions import robust_pvos
from robust_vos_bench.corruptions.robust_pvos import intensity_curve

MakeDraw = Callable[..., Draw]
NAMES = load_preset("robust-pvos").corruptions
FRAMES = 40
# Parameter whose curve the strength of a still clip must follow, where one parameter alone decides.
DRIVER = {"pvos_motion_blur": "length", "pvos_resampling_blur": "factor"}


def still(name: str, frame: np.ndarray, make_draw: MakeDraw, severity: int = 5, **fields: object) -> np.ndarray:
    """Mean absolute change of a still frame at every second moment of a clip."""
    function = find_corruption(name).function
    draws = [make_draw(name, severity, frame=t, num_frames=FRAMES, **fields) for t in range(0, FRAMES, 2)]
    return np.array([np.abs(function(frame, float(severity), d).astype(int) - frame).mean() for d in draws])


def test_the_set_is_complete() -> None:
    assert len(NAMES) == 8
    assert [entry.severities for entry in load_preset("robust-pvos").entries] == [(5,)] * 8


def test_curves_are_mixtures_within_their_bounds(make_draw: MakeDraw) -> None:
    means, swings = [], []
    for video in range(200):
        curve = intensity_curve(make_draw("pvos_fog", num_frames=100, video=f"v{video}"), "fog low")
        assert curve.shape == (100,) and curve.min() >= 0.0 and curve.max() <= 2.0
        # At most 1.5 cycles a clip, each sine stretched to its amplitude: no step is a jump.
        assert np.abs(np.diff(curve)).max() < 0.3
        means.append(curve.mean())
        swings.append(np.ptp(curve))
    assert np.mean(means) == pytest.approx(1.0, abs=0.08)
    assert 0.5 < np.mean(swings) < 1.3


def test_curves_differ_by_video_and_parameter_but_not_by_severity(make_draw: MakeDraw) -> None:
    base = intensity_curve(make_draw("pvos_fog", 5), "fog low")
    assert np.array_equal(base, intensity_curve(make_draw("pvos_fog", 1, frame=9), "fog low"))
    assert not np.allclose(base, intensity_curve(make_draw("pvos_fog", 5), "fog high"))
    assert not np.allclose(base, intensity_curve(make_draw("pvos_fog", 5, video="other"), "fog low"))
    assert np.array_equal(intensity_curve(make_draw("pvos_fog", 5, num_frames=1), "fog low"), [1.0])


@pytest.mark.parametrize("name", NAMES)
def test_strength_drifts_smoothly_and_by_much(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    frame = np.ascontiguousarray(photo[100:260, 100:300])
    spans, jumps = [], []
    for video in range(3):
        change = still(name, frame, make_draw, video=f"v{video}")
        assert change.min() > 0.1
        spans.append(np.ptp(change) / change.mean())
        jumps.append(np.abs(np.diff(change)).max() / change.mean())
    # Colour jitter is bounded by its limits, so that its strength moves least.
    assert np.max(spans) > (0.1 if name == "pvos_color_jitter" else 0.25)
    assert np.max(jumps) < 0.6 * np.max(spans) + 0.05


@pytest.mark.parametrize("name", sorted(DRIVER))
def test_strength_follows_the_curve(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    frame = np.ascontiguousarray(photo[100:260, 100:300])
    curve = intensity_curve(make_draw(name, 5, num_frames=FRAMES), DRIVER[name])[::2]
    change = still(name, frame, make_draw)
    above = curve > np.quantile(curve, 0.4)
    assert np.corrcoef(curve[above], change[above])[0, 1] > 0.9


@pytest.mark.parametrize(("severity", "static"), [(1, 62.5), (3, 112.5), (5, 162.5)])
def test_gaussian_noise_has_its_stated_variance(
    severity: int, static: float, make_draw: MakeDraw, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = find_corruption("pvos_gaussian_noise").function
    single = noise(grey, float(severity), make_draw("pvos_gaussian_noise", severity, num_frames=1)).astype(float)
    # A clip of one frame shows the static value; rounding adds a twelfth.
    assert single.var() == pytest.approx(static + 1 / 12, rel=0.03)
    assert abs(single.mean() - 128.0) < 0.2
    for t in (3, 17, 33):
        draw = make_draw("pvos_gaussian_noise", severity, frame=t, num_frames=FRAMES)
        low, high = (
            intensity_curve(draw, f"variance {end}")[t] * bound
            for end, bound in (("low", static - 12.5), ("high", static + 12.5))
        )
        expected = (low + high) / 2.0 + 1 / 12
        assert noise(grey, float(severity), draw).astype(float).var() == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"pvos_color_jitter"}))
def test_severity_acts(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    frame = np.ascontiguousarray(photo[100:260, 100:300])
    assert still(name, frame, make_draw, 1).mean() < 0.93 * still(name, frame, make_draw, 5).mean()


@pytest.mark.parametrize("name", ["pvos_fog", "pvos_rain", "pvos_snow"])
def test_weather_is_coherent(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    function = find_corruption(name).function
    clip = [function(photo, 5.0, make_draw(name, 5, frame=t, num_frames=FRAMES)).astype(int) for t in range(5)]
    clean = np.mean([np.abs(frame - photo).mean() for frame in clip])
    assert np.mean([np.abs(a - b).mean() for a, b in pairwise(clip)]) < 0.5 * clean


def test_jitter_is_one_direction_a_video(photo: np.ndarray, make_draw: MakeDraw) -> None:
    jitter = find_corruption("pvos_color_jitter").function

    def means(temporal: str) -> np.ndarray:
        draws = [make_draw("pvos_color_jitter", 5, frame=t, temporal=temporal) for t in range(10)]
        return np.array([jitter(photo[:64, :64], 5.0, draw).mean() for draw in draws])

    assert np.abs(np.diff(means("video"))).max() < 0.5 * np.abs(np.diff(means("frame"))).max()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (31, 62)])
def test_any_size_and_repeatable(name: str, size: tuple[int, int], make_draw: MakeDraw) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = frame.copy()
    for temporal in find_corruption(name).temporal:
        draw = make_draw(name, 5, frame=7, num_frames=FRAMES, temporal=temporal)
        one, two = (find_corruption(name).function(frame, 5.0, draw) for _ in range(2))
        assert one.shape == frame.shape and one.dtype == np.uint8 and np.array_equal(one, two)
    assert np.array_equal(frame, before)


def test_static_values_are_the_published_ladders() -> None:
    assert robust_pvos.VARIANCE_LOW == (50, 75, 100, 125, 150) and robust_pvos.VARIANCE_HIGH[4] == 175
    assert robust_pvos.BLUR_LENGTH == (5, 8, 11, 14, 17) and robust_pvos.RESIZE == (1.1, 1.2, 1.3, 1.4, 1.5)
    assert robust_pvos.FOG_LOW[4] == 0.3 and robust_pvos.DROP_SIZE[4] == 0.35 and robust_pvos.RAIN_PASSES[4] == 5
