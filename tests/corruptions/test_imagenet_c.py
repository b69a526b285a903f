"""Parity of our ImageNet-C with the reference implementation (imagecorruptions-imaug)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, find_corruption
from robust_vos_bench.corruptions.kernels.reference import global_numpy_seed, reference

DETERMINISTIC = (
    "brightness",
    "contrast",
    "defocus_blur",
    "gaussian_blur",
    "jpeg_compression",
    "pixelate",
    "saturate",
    "zoom_blur",
)
STOCHASTIC = (
    "elastic_transform",
    "fog",
    "frost",
    "gaussian_noise",
    "glass_blur",
    "impulse_noise",
    "motion_blur",
    "shot_noise",
    "snow",
    "spatter",
    "speckle_noise",
)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_within_one_level(
    name: str, severity: int, crop: np.ndarray, make_draw: Callable[..., Draw]
) -> None:
    ours = find_corruption(name).function(crop, float(severity), make_draw(name, severity))
    difference = np.abs(ours.astype(int) - reference(name, crop, severity, 0))
    assert (difference <= 1).mean() >= 0.999
    assert difference.max() <= 2
    # The same rounding as the reference: no systematic offset of half a level.
    assert (difference == 0).mean() > 0.7


def test_greys_turn_red_as_in_the_reference() -> None:
    grey = np.full((40, 50, 3), 100, np.uint8)
    draw = Draw("saturate", 1, 5, 0, "", "", 0, 1)
    ours = find_corruption("saturate").function(grey, 5.0, draw).astype(int)
    theirs = reference("saturate", grey, 5, 0).astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert ours[0, 0, 0] > ours[0, 0, 1] + 15


def _bands(change: np.ndarray) -> list[float]:
    """Power of an H x W x 3 change in six rings of spatial frequency, in octaves."""
    power = (np.abs(np.fft.fft2(change, axes=(0, 1))) ** 2).mean(2) / change[..., 0].size
    fy, fx = np.fft.fftfreq(change.shape[0])[:, None], np.fft.fftfreq(change.shape[1])[None]
    radius = np.hypot(fy, fx)
    edges = [0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0]
    return [float(power[(radius > low) & (radius <= high)].mean()) for low, high in pairwise(edges)]


@pytest.fixture
def make_draw(make_draw: Callable[..., Draw]) -> Callable[..., Draw]:
    """A draw per frame: the reference knows single images only."""

    def make(name: str, severity: int = 3, frame: int = 0, **fields: object) -> Draw:
        return make_draw(name, severity, frame, **({"temporal": "frame"} | fields))

    return make


def _statistics(result: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """What parity compares: moments of the change, levels reached, black and white, log power by octave."""
    change = result.astype(float) - clean
    moments = [change.mean(), np.abs(change).mean(), change.std(), *change.mean((0, 1))]
    levels = [float(np.quantile(result, q)) for q in (0.1, 0.5, 0.9)]
    ends = [100.0 * (result == 0).mean(), 100.0 * (result == 255).mean()]
    spectrum = [10.0 * math.log10(power + 1e-3) for power in _bands(change)]
    return np.array(moments + levels + ends + spectrum)


def _samples(run: Callable[[int], np.ndarray], clean: np.ndarray, draws: int) -> np.ndarray:
    return np.stack([_statistics(run(k), clean) for k in range(draws)])


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distance of the means, in units of its standard error plus a small allowance for what nobody can see."""
    error = np.sqrt(first.var(0, ddof=1) / len(first) + second.var(0, ddof=1) / len(second))
    allowance = 0.1 + 0.005 * np.abs(second.mean(0))
    return np.abs(first.mean(0) - second.mean(0)) / (4.0 * error + allowance)


DRAWS = 24


@pytest.mark.parametrize("severity", (1, 3, 5))
@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_equal_in_distribution(
    name: str, severity: int, crop: np.ndarray, make_draw: Callable[..., Draw]
) -> None:
    spec = find_corruption(name)
    ours = _samples(lambda k: spec.function(crop, float(severity), make_draw(name, severity, frame=k)), crop, DRAWS)
    theirs = _samples(lambda k: reference(name, crop, severity, 1000 + k), crop, DRAWS)
    ratio = _differences(ours, theirs)
    assert ratio.max() < 1.0, (
        ratio.round(2).tolist(),
        ours.mean(0).round(2).tolist(),
        theirs.mean(0).round(2).tolist(),
    )


@pytest.mark.parametrize("name", ("gaussian_noise", "shot_noise", "speckle_noise", "glass_blur", "elastic_transform"))
def test_parity_test_sees_a_wrong_strength(name: str, crop: np.ndarray, make_draw: Callable[..., Draw]) -> None:
    """The comparison above is no rubber stamp: a quarter of a severity more fails it (noise), or one (motion)."""
    spec = find_corruption(name)
    step = 0.25 if name.endswith("noise") else 1.0
    ours = _samples(lambda k: spec.function(crop, 3.0 + step, make_draw(name, 3, frame=k)), crop, DRAWS)
    theirs = _samples(lambda k: reference(name, crop, 3, 1000 + k), crop, DRAWS)
    assert _differences(ours, theirs).max() > 1.0


@pytest.mark.parametrize(
    ("name", "sample"),
    (
        ("gaussian_noise", lambda v, n, rng: np.clip(v / 255 + rng.normal(0, 0.18, n), 0, 1) * 255),
        ("shot_noise", lambda v, n, rng: np.clip(rng.poisson(v / 255 * 12, n) / 12, 0, 1) * 255),
        ("speckle_noise", lambda v, n, rng: np.clip(v / 255 * (1 + rng.normal(0, 0.35, n)), 0, 1) * 255),
    ),
)
@pytest.mark.parametrize("value", (1, 30, 128, 250))
def test_noise_of_one_grey_level_has_the_right_distribution(
    name: str,
    sample: Callable[[int, int, np.random.Generator], np.ndarray],
    value: int,
    make_draw: Callable[..., Draw],
) -> None:
    """Two-sample chi-squared over output levels, on 300,000 values each; it fails at a CDF that is off by 0.5 %."""
    from scipy.stats import chi2

    flat = np.full((250, 400, 3), value, np.uint8)
    ours = np.bincount(find_corruption(name).function(flat, 3.0, make_draw(name)).reshape(-1), minlength=256)
    drawn = np.floor(sample(value, flat.size, np.random.default_rng(5)) + 1e-9).astype(int)
    theirs = np.bincount(drawn, minlength=256)
    total = ours + theirs
    common = total >= 40
    ours, theirs = np.append(ours[common], ours[~common].sum()), np.append(theirs[common], theirs[~common].sum())
    total = np.maximum(ours + theirs, 1)
    statistic = ((ours - theirs) ** 2 / total).sum()
    assert statistic < chi2.ppf(1 - 1e-5, max(len(total) - 1, 1))


def test_impulse_noise_hits_channels_alone(make_draw: Callable[..., Draw]) -> None:
    flat = np.full((400, 500, 3), 77, np.uint8)
    noisy = find_corruption("impulse_noise").function(flat, 5.0, make_draw("impulse_noise", 5))
    n = flat.size
    for value in (0, 255):
        assert abs((noisy == value).mean() - 0.135) < 5 * math.sqrt(0.135 * 0.865 / n)
    hit = noisy != 77
    both = (hit[..., 0] & hit[..., 1]).mean()
    assert abs(both - 0.27**2) < 5 * math.sqrt(0.27**2 / (n / 3))


@pytest.mark.parametrize("name", ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"))
def test_noise_is_white(name: str, make_draw: Callable[..., Draw]) -> None:
    flat = np.full((300, 401, 3), 120, np.uint8)
    noise = find_corruption(name).function(flat, 3.0, make_draw(name)).astype(float) - 120
    noise -= noise.mean()
    bound = 5 / math.sqrt(noise[..., 0].size)
    for a, b in ((noise[:, 1:], noise[:, :-1]), (noise[1:], noise[:-1]), (noise[..., :1], noise[..., 1:2])):
        assert abs((a * b).mean() / noise.var()) < bound


@pytest.mark.parametrize("severity", range(1, 6))
def test_motion_blur_is_the_reference_at_equal_angle(
    severity: int, crop: np.ndarray, make_draw: Callable[..., Draw]
) -> None:
    from imagecorruptions.corruptions import _motion_blur

    draw = make_draw("motion_blur", severity)
    radius, sigma = find_corruption("motion_blur").values[severity - 1]
    angle = replace(draw, severity=0).rng("angle").uniform(-45.0, 45.0)
    theirs = np.uint8(np.clip(_motion_blur(crop, radius, sigma, angle), 0, 255))
    ours = find_corruption("motion_blur").function(crop, float(severity), draw)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("frame", range(6))
def test_frost_is_the_reference_at_equal_picture_and_place(
    frame: int, photo: np.ndarray, make_draw: Callable[..., Draw], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagecorruptions import corrupt

    from robust_vos_bench.corruptions.kernels.weather import frost_picture

    small = np.ascontiguousarray(photo[100:220, 40:371])
    draw = make_draw("frost", 3, frame=frame)
    rng = replace(draw, severity=0).rng("crop")
    index = int(rng.integers(6))
    picture = frost_picture(index, small.shape[:2])
    answers = [index, int(rng.integers(picture.shape[0] - 120)), int(rng.integers(picture.shape[1] - 331))]
    monkeypatch.setattr(np.random, "randint", lambda *_, **__: answers.pop(0))
    theirs = corrupt(small, severity=3, corruption_name="frost")
    assert not answers
    ours = find_corruption("frost").function(small, 3.0, draw)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_plasma_has_the_spectrum_of_the_reference() -> None:
    from imagecorruptions.corruptions import plasma_fractal

    from robust_vos_bench.corruptions.kernels.weather import plasma

    def spectra(maps: list[np.ndarray]) -> np.ndarray:
        return np.array([[*(10 * np.log10(np.array(_bands(m[..., None])) + 1e-12)), m.mean(), m.std()] for m in maps])

    for decay in (2.0, 1.4):
        ours = spectra([plasma(128, decay, np.random.default_rng(k)) for k in range(60)])
        with global_numpy_seed(3):
            theirs = spectra([plasma_fractal(128, decay) for _ in range(60)])
        error = np.sqrt(ours.var(0) / 60 + theirs.var(0) / 60)
        assert (np.abs(ours.mean(0) - theirs.mean(0)) < 4 * error + 0.05).all()


def test_elastic_field_has_the_covariance_of_the_reference(make_draw: Callable[..., Draw]) -> None:
    """Variance inside and at the border, and correlation along both axes, against finely drawn and filtered noise."""
    from scipy.ndimage import gaussian_filter

    from robust_vos_bench.corruptions.digital import _displacement

    size = (120, 200)
    ours = np.stack([_displacement(size, 3.0, make_draw("elastic_transform", frame=k)) for k in range(150)])
    rng = np.random.default_rng(1)
    sigma, reach = (1.2, 2.0), 0.005 * 120
    theirs = np.stack(
        [
            [gaussian_filter(rng.uniform(-reach, reach, size), sigma, mode="reflect", truncate=3) * 21.25] * 2
            for _ in range(150)
        ]
    )
    for region in (np.s_[..., 20:-20, 20:-20], np.s_[..., :1, 20:-20], np.s_[..., 20:-20, -1:]):
        assert ours[region].std() == pytest.approx(theirs[region].std(), rel=0.04)
    for dy, dx in ((1, 0), (2, 0), (0, 2), (0, 4)):
        pairs = [(f[..., dy:120, dx:200] * f[..., : 120 - dy, : 200 - dx]).mean() / f.var() for f in (ours, theirs)]
        assert pairs[0] == pytest.approx(pairs[1], abs=0.02)


def test_reference_leaves_the_global_generator_alone(crop: np.ndarray) -> None:
    np.random.seed(12)
    expected = np.random.random(3)
    np.random.seed(12)
    first = reference("fog", crop, 2, 7)
    assert (np.random.random(3) == expected).all()
    assert (reference("fog", crop, 2, 7) == first).all()
    for name in ("impulse_noise", "glass_blur"):
        assert (reference(name, crop, 2, 7) == reference(name, crop, 2, 7)).all()
        assert (reference(name, crop, 2, 7) != reference(name, crop, 2, 8)).any()
