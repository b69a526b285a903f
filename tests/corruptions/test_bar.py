"""ImageNet-C-bar: each corruption against its formula, written out slowly, at equal draws; levels; coverage.

The formulas are the source's (Mintun et al., NeurIPS 2021), for one pixel at a time and with the C library's functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, find_corruption, load_preset
from robust_vos_bench.corruptions.kernels import fields, functions, light, patterns

MakeDraw = Callable[..., Draw]
Pixel = Callable[[int, int], float]
SIZE = (40, 56)


@pytest.fixture(scope="module")
def frame(photo: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(photo[200 : 200 + SIZE[0], 180 : 180 + SIZE[1]])


def drawn(kernel: Pixel) -> np.ndarray:
    return np.array([[kernel(y, x) for x in range(SIZE[1])] for y in range(SIZE[0])])


def stored(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)


def same(result: np.ndarray, expected: np.ndarray) -> None:
    """Truncation may tip over at a whole number: then by one level, and rarely."""
    off = np.abs(result.astype(int) - expected)
    assert off.max() <= 1 and (off > 0).mean() < 0.01


def test_levels_are_the_authors() -> None:
    """imagenet_c_bar.csv, times the parameter's largest value, over 10."""
    values = {name: find_corruption(name).values for name in load_preset("common-bar").corruptions}
    assert len(values) == 10 and len(load_preset("common-bar").conditions()) == 50
    assert values["blue_noise_sample"] == pytest.approx((-2.26, -2.02, -1.78, -1.3, -0.82))
    assert values["brownish_noise"] == pytest.approx((6.4, 12.8, 19.2, 25.6, 32.0))
    assert np.array(values["caustic_refraction"]) == pytest.approx(
        np.outer((2.35, 3.2, 4.9, 6.6, 9.15), (0.05, 0.2)), rel=1e-5
    )
    assert values["checkerboard_cutout"] == pytest.approx((0.2, 0.3, 0.4, 0.5, 0.6))
    assert values["cocentric_sine_waves"] == pytest.approx((38.4, 64.0, 102.4, 115.2, 128.0))
    assert values["inverse_sparkles"] == pytest.approx((0.13, 0.26, 0.52, 1.17, 1.3))
    assert values["perlin_noise"] == pytest.approx((0.23, 0.26, 0.29, 0.38, 0.44))
    assert values["plasma_noise"] == pytest.approx((30.4, 44.8, 54.4, 59.2, 64.0))
    assert values["single_frequency_greyscale"] == pytest.approx((19.6, 29.4, 39.2, 88.2, 98.0))
    assert values["sparkles"] == pytest.approx((0.01, 0.02, 0.03, 0.05, 0.06))


def test_functions_agree_with_the_c_library() -> None:
    angles = np.linspace(-400.0, 400.0, 4001)
    assert max(abs(functions.sine(v) - math.sin(v)) for v in angles) < 1e-8
    assert max(abs(functions.cosine(v) - math.cos(v)) for v in angles) < 1e-8
    for a in angles[::10]:
        y, x = math.sin(a), math.cos(a)
        assert functions.arctangent(y, x) == pytest.approx(math.atan2(y, x), abs=1e-7)
    assert functions.arctangent(0.0, 0.0) == 0.0 and functions.arctangent(0.0, -1.0) == pytest.approx(math.pi)
    for base in np.geomspace(1e-6, 1e4, 50):
        for exponent in (0.13, 0.52, 1.3, 1.4):
            assert functions.power(base, exponent) == pytest.approx(base**exponent, rel=1e-8)


def test_wave(frame: np.ndarray) -> None:
    wave = drawn(lambda y, x: math.sin(0.9 * y - 2.1 * x + 0.7))
    same(patterns.add_wave(frame, 0.9, -2.1, 0.7, 98.0), stored(frame + 98.0 * wave[..., None]))


def test_rings(frame: np.ndarray) -> None:
    def ring(y: int, x: int) -> float:
        dy, dx = y - 13.3, x - 30.2
        bent = math.hypot(dx, dy) + math.sin(math.atan2(dx, dy) * 4.4) * 3.0
        return (bent % 2.6) / 2.6 - 0.5

    result = patterns.add_rings(frame, (13.3, 30.2), 4.4, 3.0, 2.6, 0.0, 128.0)
    same(result, stored(frame + 128.0 * drawn(ring)[..., None]))


def test_board(frame: np.ndarray) -> None:
    board = np.random.default_rng(3).random((64, 64))
    angle, side = 0.6, 6.5

    def cut(y: int, x: int) -> float:
        i = math.floor((math.cos(angle) * y + math.sin(angle) * x) / side + 20.2)
        j = math.floor((-math.sin(angle) * y + math.cos(angle) * x) / side + 30.7)
        return float(i % 2 == j % 2 and board[i, j] < 0.5)

    result = patterns.cut_squares(frame, board, side, angle, (20.2, 30.7), 0.5)
    assert (result == np.where(drawn(cut)[..., None] > 0, 128, frame)).all()


@pytest.mark.parametrize(("exponent", "inverse"), ((1.0, False), (0.52, True), (1.3, True)))
def test_star(frame: np.ndarray, exponent: float, inverse: bool) -> None:
    rays = 9.0 + 2.0 * np.random.default_rng(1).standard_normal(57)

    def glow(y: int, x: int) -> float:
        dy, dx = y - 18.4, x - 22.8
        place = (math.atan2(dx, dy) + math.pi) / (2.0 * math.pi) * 57
        i = int(place)
        f = place - i
        length = rays[i % 57] + f * (rays[(i + 1) % 57] - rays[i % 57])
        return min((1.0 - (f - 0.5) ** 2) * (length**2 / (dy * dy + dx * dx + 1e-4)) ** exponent, 1.0)

    keep = np.ones(SIZE)
    light.dim_by_star(keep, (18.4, 22.8), rays, 0.0, exponent)
    share = drawn(glow)[..., None]
    if inverse:
        same(light.fade_to_white(frame, 1.0 - keep), stored(255.0 + share * (frame - 255.0)))
    else:
        same(light.fade_to_white(frame, keep), stored(frame + share * (255.0 - frame)))


def test_plasma(frame: np.ndarray) -> None:
    time, sharp = 4.2, 0.7

    def cloud(y: float, x: float) -> list[float]:
        x, y = x / 9.0, y / 9.0
        i = np.array([1.0, 1.0, 1.0])
        for _ in range(5):
            r = np.array([math.cos(y * i[0] + time / i[1]), math.sin(x * i[0] + time / i[1])]) / i[2]
            r = r + 0.3 * np.array([-r[1], r[0]])
            x, y = x + r[0], y + r[1]
            i = i * (1.93, 1.15, 2.25 - sharp)
        return [math.sin(x - time), math.sin(0.5 * (x + y + math.sin(time))), math.sin(y + time)]

    expected = (1.0 - 54.4 / 255.0) * frame + 54.4 * drawn(cloud)  # type: ignore[arg-type]
    same(fields.add_plasma(frame, time, 5, sharp, 9.0, 54.4), stored(expected))


def test_perlin(frame: np.ndarray) -> None:
    lattice = fields.perlin_lattice(np.random.default_rng(5))
    order, slopes = lattice
    assert np.hypot(*slopes.T) == pytest.approx(np.ones(256), abs=1e-6)

    def noise(v: float, u: float) -> float:
        i, j = math.floor(u), math.floor(v)
        smooth = [t * t * (3.0 - 2.0 * t) for t in (u - i, v - j)]
        total = 0.0
        for a in (0, 1):
            for b in (0, 1):
                slope = slopes[order[(order[(i + a) % 256] + j + b) % 256]]
                weight = (smooth[0] if a else 1.0 - smooth[0]) * (smooth[1] if b else 1.0 - smooth[1])
                total += weight * ((u - i - a) * slope[0] + (v - j - b) * slope[1])
        return 1.5 * total

    def turbulence(y: int, x: int) -> float:
        v, u = 250.3 + 0.1 * y, 7.9 + 0.1 * x
        return min(0.5 + 0.5 * sum(abs(noise(f * v, f * u)) / f for f in (1, 2, 4, 8, 16)), 1.0)

    expected = (1.0 - 0.38) * frame + 255.0 * 0.38 * drawn(turbulence)[..., None]
    same(fields.mix_perlin(frame, lattice, 0.1, 250.3, 7.9, 0.38), stored(expected))


def test_caustics() -> None:
    from scipy.ndimage import gaussian_filter

    time, period = 1.3, 50.0

    def water(row: int, column: int) -> float:
        p = (np.array([row, column]) / period % 1) * 2.0 * math.pi - 250.0
        i, total = p.copy(), 1.0
        for n in range(5):
            t = time * (1.0 - 3.5 / (n + 1))
            i = p + np.array(
                [math.cos(t - i[0]) + math.sin(t + i[1]), math.sin(t - i[1]) + math.cos(t + i[0])],
            )
            total += 1.0 / math.hypot(p[0] * 0.005 / math.sin(i[0] + t), p[1] * 0.005 / math.cos(i[1] + t))
        return float(np.clip(abs(1.17 - (total / 5.0) ** 1.4) ** 8.0, 0, 1))

    expected = gaussian_filter(drawn(water), 1.0)
    inner = (slice(6, -6), slice(6, -6))
    assert light.caustics(SIZE, time, period, 0)[inner] == pytest.approx(expected[inner], abs=1e-4)


def test_refraction_follows_snell() -> None:
    """A plane of slope s: the ray leaves the normal at asin(sin / 4), seen from above."""
    for slope in (0.02, 0.3, 1.0):
        plane = np.outer(np.ones(5), np.arange(5.0) * slope / 2.0).astype(np.float32)
        down, right, gain = light.bend(plane)
        angle = math.atan(slope)
        bent = math.sin(angle - math.asin(math.sin(angle) / 4.0)) if math.cos(angle) < 0.999 else 0.0
        assert (down == 0).all() and right == pytest.approx(np.full((3, 3), bent), abs=1e-5)
        assert gain == pytest.approx(np.full((3, 3), -slope), abs=1e-5)


def test_spectra_of_blue_and_brown_noise() -> None:
    blue = fields.blue_noise((180, 240), np.random.default_rng(0))
    assert blue.shape == (180, 240) and blue.std() == pytest.approx(1.0, abs=0.02) and abs(blue.mean()) < 1e-3
    power = np.abs(np.fft.fft2(blue)) ** 2
    frequency = np.hypot(np.fft.fftfreq(180)[:, None], np.fft.fftfreq(240)[None, :])
    low, high = power[(frequency > 0.1) & (frequency < 0.2)].mean(), power[frequency > 0.4].mean()
    expected = (frequency[(frequency > 0.1) & (frequency < 0.2)] ** 2).mean() / (frequency[frequency > 0.4] ** 2).mean()
    assert low / high == pytest.approx(expected, rel=0.1)
    tiles = [fields.brown_tile(np.random.default_rng(seed)) for seed in range(6)]
    assert [tile.std() for tile in tiles] == pytest.approx([1.0] * 6, abs=1e-3)
    amplitude = np.mean([np.abs(np.fft.fft2(tile)) for tile in tiles], axis=0)
    assert amplitude[0, 2] / amplitude[0, 6] == pytest.approx(37.0 / 5.0, rel=0.6)
    assert max(abs(float(tile.mean())) for tile in tiles) > 0.2


@pytest.mark.parametrize(("severity", "share"), ((1, 0.0119), (3, 0.0375), (5, 0.206)))
def test_blue_noise_blackens_the_stated_share(severity: int, share: float, make_draw: MakeDraw) -> None:
    white = np.full((200, 300, 3), 255, np.uint8)
    draw = make_draw("blue_noise_sample", severity)
    result = find_corruption("blue_noise_sample").function(white, float(severity), draw)
    assert set(np.unique(result)) == {0, 255} and (result.min(-1) == result.max(-1)).all()
    assert (result[..., 0] == 0).mean() == pytest.approx(share, rel=0.12)


def test_board_hides_the_stated_share(make_draw: MakeDraw) -> None:
    white = np.full((120, 160, 3), 255, np.uint8)
    function = find_corruption("checkerboard_cutout").function
    hidden = [
        (function(white, 5.0, make_draw("checkerboard_cutout", 5, video=f"v{v}")) == 128).mean() for v in range(60)
    ]
    assert float(np.mean(hidden)) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("name", load_preset("common-bar").corruptions)
def test_strength_does_not_depend_on_the_size(name: str, make_draw: MakeDraw) -> None:
    """Change on grey, mean over videos, of a small square and of a large wide frame."""
    if name == "single_frequency_greyscale":
        pytest.skip("its frequencies are per pixel, and aliased alike")
    function = find_corruption(name).function
    changes = []
    for size in ((112, 112), (192, 342)):
        step = np.indices((*size, 3)).sum(0) // 12 % 2 * 60 + 90 if name == "caustic_refraction" else 120
        grey = np.full((*size, 3), step, np.uint8)
        made = [
            np.abs(function(grey, 3.0, make_draw(name, video=f"v{v}")).astype(int) - grey).mean() for v in range(24)
        ]
        changes.append(float(np.mean(made)))
    assert changes[0] == pytest.approx(changes[1], rel=0.3)


def test_masks_move_with_the_water(make_draw: MakeDraw) -> None:
    """An object of one colour: its label is where its colour is seen, but for the lines of light and its outline."""
    picture = np.full((288, 416, 3), 20, np.uint8)
    mask = np.zeros((288, 416), np.uint8)
    mask[80:220, 120:300] = 1
    picture[mask > 0] = 235
    spec = find_corruption("caustic_refraction")
    assert spec.move_mask is not None
    for frame in (0, 20):
        draw = make_draw("caustic_refraction", 4, frame=frame)
        moved = spec.move_mask(mask, 4.0, draw)
        shown = spec.function(picture, 4.0, draw).mean(-1) > 127
        assert (moved != mask).sum() > 60
        assert (shown != (moved > 0)).sum() < 0.3 * (shown != (mask > 0)).sum()
