"""The statistics of certificates: golden values, definitions, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from robust_vos_bench.certified import median, pixels


def test_order_by_its_definition() -> None:
    """r is the largest with P(Bin(N, q) <= r - 1) <= alpha, summed term by term."""
    for draws in (20, 40, 60, 110, 1000):
        for ratio in (0.25, 0.5, 0.674, 1.0):
            for alpha in (0.05, 0.001, 0.001 / 3):
                q = 0.5 * math.erfc(ratio / math.sqrt(2.0))
                mass = [math.comb(draws, k) * q**k * (1.0 - q) ** (draws - k) for k in range(draws + 1)]
                below = np.cumsum(mass)
                expected = int((below <= alpha).sum())
                assert median.order(draws, ratio, alpha) == expected


def test_order_golden() -> None:
    """By exact rational arithmetic with the quantile to twelve digits: N = 110, R = sigma/4, sigma/2, sigma."""
    assert [median.order(110, ratio, 0.001) for ratio in (0.25, 0.5, 1.0)] == [29, 20, 7]
    assert median.quantile(1.0) == pytest.approx(0.15865525393145707, rel=1e-12)
    assert median.quantile(0.6744897501960817) == pytest.approx(0.25, rel=1e-12)


@pytest.mark.parametrize("ratio", (0.25, 0.5, 1.0, 2.0))
def test_least_draws_is_where_a_bound_begins(ratio: float) -> None:
    for alpha in (0.05, 0.001):
        least = median.least_draws(ratio, alpha)
        assert median.order(least, ratio, alpha) == 1 and median.order(least - 1, ratio, alpha) == 0
        assert median.lower_bound([0.5] * (least - 1), ratio, alpha) is None
        assert median.lower_bound([0.5] * least, ratio, alpha) == 0.5


@pytest.mark.parametrize("ratio", (0.25, 1.0))
@pytest.mark.parametrize("law", ("smooth", "steps", "constant"))
def test_median_bound_covers(ratio: float, law: str) -> None:
    """J = g(z + shift), g rising, z normal: the worst change of norm R shifts z by -R / sigma, and the median is exact.

    A bound is wrong where it lies above that median: with probability alpha at most, also where J takes few values.
    """
    g = {
        "smooth": norm.cdf,
        "steps": lambda z: np.floor(4.0 * norm.cdf(z)) / 4.0,
        "constant": lambda z: np.full_like(z, 0.7),
    }[law]
    rng, alpha, repeats, draws = np.random.default_rng(7), 0.05, 4000, 60
    r = median.order(draws, ratio, alpha)
    bounds = np.sort(g(rng.standard_normal((repeats, draws))), axis=1)[:, r - 1]
    worst = float(g(np.array([-ratio]))[0])
    wrong = float((bounds > worst + 1e-12).mean())
    assert wrong <= alpha + 3.0 * math.sqrt(alpha * (1 - alpha) / repeats)
    if law == "smooth":  # exactly P(Bin <= r - 1): neither too many wrong bounds nor needlessly few
        exact = float(binom.cdf(r - 1, draws, median.quantile(ratio)))
        assert wrong == pytest.approx(exact, abs=4.0 * math.sqrt(exact * (1 - exact) / repeats))


def test_a_bound_that_ignored_the_radius_would_be_caught() -> None:
    """The sample median of the unchanged input is no bound: the simulation above can tell."""
    rng = np.random.default_rng(3)
    medians = np.median(norm.cdf(rng.standard_normal((2000, 60))), axis=1)
    assert float((medians > norm.cdf(-0.25)).mean()) > 0.5


def rejected(p: list[float], alpha: float) -> list[bool]:
    """Holm's procedure by its definition."""
    result = [False] * len(p)
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] > alpha / (len(p) - rank):
            break
        result[i] = True
    return result


def test_holm_golden() -> None:
    """The worked example of Wikipedia's Holm-Bonferroni article: of 0.01, 0.04, 0.03, 0.005 the 1st and 4th fall."""
    assert rejected([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    p = np.array([0.04, 0.03, 0.01, 0.005])  # by votes 0..3
    assert pixels.holm(np.array([1, 1, 1, 1]), p, 0.05) == 2
    assert pixels.holm(np.array([1, 1, 1, 1]), p, 0.001) == 4  # none
    assert pixels.holm(np.array([1, 1, 1, 1]), p, 0.2) == 0  # all


def test_holm_by_counts_is_holm() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        tested = int(rng.integers(5, 60))
        votes = rng.binomial(tested, rng.uniform(0.6, 1.0), int(rng.integers(1, 200)))
        p = pixels.p_values(tested)
        counts = np.bincount(votes, minlength=tested + 1)
        bar = pixels.holm(counts, p, 0.05)
        assert rejected([float(p[v]) for v in votes], 0.05) == [bool(v >= bar) for v in votes]


def test_p_values_are_binomial_tails() -> None:
    p = pixels.p_values(20, 0.75)
    assert p[0] == 1.0 and p[20] == pytest.approx(0.75**20)
    assert p[18] == pytest.approx(sum(math.comb(20, k) * 0.75**k * 0.25 ** (20 - k) for k in (18, 19, 20)))
    assert pixels.radius(0.25) == pytest.approx(0.25 * 0.6744897501960817)


def test_sixty_draws_abstain_and_a_hundred_and_ten_do_not() -> None:
    """Pixels of 7 frames of 256 x 144 that always agree: 0.75^n <= alpha / M."""
    hypotheses = 7 * 256 * 144
    least = pixels.least_draws(hypotheses, 0.001)
    assert 60 < least <= 110
    for draws, certain in ((60, False), (least - 1, False), (least, True), (110, True)):
        tested = draws - pixels.SELECT
        counts = np.zeros(tested + 1, np.int64)
        counts[tested] = hypotheses
        assert (pixels.holm(counts, pixels.p_values(tested), 0.001) <= tested) is certain


def test_pixel_claims_cover() -> None:
    """No pixel below tau is claimed in more than alpha of the repeats; those well above are."""
    rng, alpha, tested, repeats = np.random.default_rng(5), 0.05, 100, 1500
    probability = np.concatenate([np.full(150, 0.7499), np.full(50, 0.97)])
    p, wrong, found = pixels.p_values(tested), 0, 0
    for _ in range(repeats):
        votes = rng.binomial(tested, probability)
        bar = pixels.holm(np.bincount(votes, minlength=tested + 1), p, alpha)
        wrong += bool((votes[:150] >= bar).any())
        found += int((votes[150:] >= bar).sum())
    assert wrong / repeats <= alpha + 3.0 * math.sqrt(alpha * (1 - alpha) / repeats)
    assert found / (50 * repeats) > 0.9


def test_certified_j_is_the_worst_that_the_claims_leave() -> None:
    """Against every choice of the pixels that abstain."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        truth, label, claimed = (rng.random((2, 4)) < share for share in (0.5, 0.5, 0.6))
        void = rng.random((2, 4)) < 0.1
        free = np.flatnonzero(~claimed)
        worst = 1.0
        for code in range(1 << len(free)):
            shown = label & claimed
            for bit, place in enumerate(free):
                shown.flat[place] = bool(code >> bit & 1)
            union = ((truth | shown) & ~void).sum()
            worst = min(worst, float((truth & shown & ~void).sum() / union) if union else 1.0)
        assert pixels.certified_j(truth, label, claimed, void) == pytest.approx(worst)
