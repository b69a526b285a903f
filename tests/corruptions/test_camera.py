"""Sensor noise with the moments that physics gives, and dirt and drops that stay in place."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, corruptions, find_corruption
from robust_vos_bench.corruptions.camera import READ_NOISE, STOPS_LOST, WHITE_ELECTRONS, _dirt

MakeDraw = Callable[..., Draw]
NAMES = ("low_light", "lens_dirt", "lens_drops")
_OURS = ("camera", "davis_c", "drifting", "robust_pvos", "temporal")


def linear(code: np.ndarray) -> np.ndarray:
    share = code / 255.0
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("code", [90, 140, 200])
def test_low_light_has_the_moments_of_shot_and_read_noise(severity: int, code: int, make_draw: MakeDraw) -> None:
    frame = np.full((120, 120, 3), code, np.uint8)
    result = find_corruption("low_light").function(frame, float(severity), make_draw("low_light", severity))
    stops = STOPS_LOST[severity - 1]
    white = WHITE_ELECTRONS / 2.0**stops
    electrons = linear(np.array(float(code))) * white
    if electrons < 4.0 * np.hypot(np.sqrt(electrons), READ_NOISE):
        pytest.skip("negative electrons are clipped here, so the moments are not those of the electrons")
    light = linear(result.astype(float)) * white * 2.0 ** (stops / 2.0)
    assert light.mean() == pytest.approx(electrons, rel=0.03)
    # Codes are whole numbers: their own error adds a little to the variance of dark pixels.
    assert light.var() == pytest.approx(electrons + READ_NOISE**2, rel=0.08)


def test_low_light_is_fresh_on_every_frame_or_fixed(photo: np.ndarray, make_draw: MakeDraw) -> None:
    low_light = find_corruption("low_light").function
    frame = photo[:64, :64]
    fresh = [low_light(frame, 3.0, make_draw("low_light", frame=t)) for t in (0, 1)]
    fixed = [low_light(frame, 3.0, make_draw("low_light", frame=t, temporal="video")) for t in (0, 1)]
    assert not np.array_equal(*fresh) and np.array_equal(*fixed)
    noise = fresh[0].astype(int) - fresh[1]
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("name", ["lens_dirt", "lens_drops"])
def test_lens_faults_stay_in_place_and_grow(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    spoil = find_corruption(name).function
    hit = []
    for severity in (1, 2, 3, 4, 5):
        first, second = (spoil(photo, float(severity), make_draw(name, severity, frame=t)) for t in (0, 13))
        assert np.array_equal(first, second)
        hit.append((np.abs(first.astype(int) - photo).max(axis=2) > 12).mean())
    assert all(low < high for low, high in pairwise(hit)) and hit[0] > 0.001
    other = spoil(photo, 3.0, make_draw(name, 3, video="another"))
    assert not np.array_equal(other, spoil(photo, 3.0, make_draw(name, 3)))


def test_dirt_of_a_lower_severity_is_still_there(make_draw: MakeDraw) -> None:
    draw = make_draw("lens_dirt")
    mild, heavy = (_dirt(draw, 200, 300, count) for count in (5, 40))
    assert (heavy >= mild - 1e-6).all() and (heavy > mild + 0.1).any()
    assert (mild > 0.1).any() and heavy.max() <= 0.9


def test_dirt_shows_on_bright_and_dark_scenes(make_draw: MakeDraw) -> None:
    for grey in (5, 100, 250):
        flat = np.full((200, 200, 3), grey, np.uint8)
        spoiled = find_corruption("lens_dirt").function(flat, 5.0, make_draw("lens_dirt", 5)).astype(int)
        assert np.abs(spoiled - grey).max() > 40


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (33, 64)])
def test_any_size(name: str, size: tuple[int, int], make_draw: MakeDraw) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = frame.copy()
    for severity in (1.0, 2.5, 5.0):
        result = find_corruption(name).function(frame, severity, make_draw(name, round(severity)))
        assert result.shape == frame.shape and result.dtype == np.uint8
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("name", ["lens_dirt", "lens_drops"])
def test_a_larger_frame_is_as_dirty(name: str, make_draw: MakeDraw) -> None:
    rows, columns = np.mgrid[0:1200, 0:1500]
    large = np.stack([rows // 5, columns // 6, (rows + columns) // 11], axis=2).astype(np.uint8)
    hit = []
    for frame in (large[::3, ::3], large):
        spoiled = find_corruption(name).function(np.ascontiguousarray(frame), 4.0, make_draw(name, 4)).astype(int)
        hit.append((np.abs(spoiled - frame).max(axis=2) > 10).mean())
    assert hit[1] == pytest.approx(hit[0], rel=0.3)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_4k(photo: np.ndarray, make_draw: MakeDraw) -> None:
    large = np.ascontiguousarray(np.tile(photo, (5, 8, 1))[:2160, :3840])
    for name, spec in corruptions().items():
        if spec.scope == "frame" and spec.function.__module__.rpartition(".")[2] in _OURS:
            assert spec.function(large, float(spec.levels), make_draw(name, spec.levels)).shape == large.shape
