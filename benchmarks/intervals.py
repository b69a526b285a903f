"""Do 95 % intervals cover? Studies of few and many videos are drawn from a made-up population whose truth is known.

`python benchmarks/intervals.py --write` puts the table into docs/metrics.md. Deterministic; a few minutes on one core.

The population is meant to be like DAVIS and harder: scores are skewed (one video in eight is much harder than the
rest), videos hold one to six objects of which more means harder, models differ in which videos they find hard, and
harm depends on video and model. Six models that differ; and, for ranks and orders, ten that are all but equal, whose
order by mPC is the reverse of that by P. Sampled with replacement: the truth is that of the population, exactly.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from robust_vos_bench.analysis.intervals import Interval, Jackknife
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.order import order_consistency, ranks
from robust_vos_bench.runs.records import ConditionRecord

VIDEOS = (5, 8, 30, 200)
POPULATION = 20_000
Models = tuple[tuple[float, ...], tuple[float, ...]]
"""Clean quality of each model, and what it is spared under corruption, in logits."""
DIFFERENT: Models = ((2.30, 2.10, 2.05, 1.70, 1.20, 0.90), (0.0, 0.10, -0.30, 0.20, 0.0, 0.60))
CLOSE: Models = (tuple(2 + 0.02 * i for i in range(10)), tuple(-0.04 * i for i in range(10)))
HARM = np.array([0.0, 0.5, 1.6, 0.3, 0.9])
"""What each condition costs, in logits."""
CONDITIONS = (
    ConditionRecord(label="clean"),
    *(
        ConditionRecord(label=f"{name}-{severity}", corruption=name, severity=severity, family=family)
        for name, family in (("fog", "weather"), ("shot_noise", "noise"))
        for severity in (1, 5)
    ),
)
DOCS = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"


@dataclass
class Rate:
    """How often intervals contain the truth, and how wide they are."""

    hits: int = 0
    trials: int = 0
    width: float = 0.0
    percentile_hits: int = 0
    percentile_width: float = 0.0

    def add(self, found: Interval, percentile: tuple[float, float], truth: float) -> None:
        """Count one study."""
        tolerance = 1e-9
        self.trials += 1
        self.hits += found.low - tolerance <= truth <= found.high + tolerance
        self.width += found.high - found.low
        self.percentile_hits += percentile[0] - tolerance <= truth <= percentile[1] + tolerance
        self.percentile_width += percentile[1] - percentile[0]

    @property
    def covered(self) -> float:
        """Share of the intervals that contain the truth."""
        return self.hits / self.trials

    @property
    def percentile(self) -> float:
        """The same of the percentiles of a bootstrap over videos."""
        return self.percentile_hits / self.trials


@cache
def population(models: Models) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(scores in 0..1, models x conditions x videos x 6; number of objects of each video)."""
    rng = np.random.Generator(np.random.PCG64(2026))
    n, clean, spared = POPULATION, np.array(models[0]), np.array(models[1])
    objects = rng.choice([1, 1, 1, 2, 2, 3, 4, 6], n)
    ease = rng.normal(0, 0.9, n) - 2.2 * (rng.random(n) < 0.12) - 0.15 * (objects - 1)
    by_model = rng.normal(0, 0.35, (len(clean), 1, n))
    by_condition = rng.normal(0, 0.45, (1, len(HARM), n)) * (HARM > 0)[None, :, None]
    by_both = rng.normal(0, 0.3, (len(clean), len(HARM), n))
    quality = clean[:, None, None] - HARM[None, :, None] + (spared[:, None] * (HARM > 0))[:, :, None]
    logits = (quality + ease + by_model + by_condition + by_both)[..., None] + rng.normal(0, 0.6, (n, 6))
    return 1 / (1 + np.exp(-logits)), objects


def matrix(chosen: NDArray[np.int64], models: Models = DIFFERENT) -> ScoreMatrix:
    """The scores of a study of these videos of the population."""
    scores, objects = population(models)
    names = tuple(f"v{i}" for i in range(len(chosen)))
    found = [(i, k) for i, v in enumerate(chosen) for k in range(objects[v])]
    values = np.stack([scores[:, :, chosen[i], k] for i, k in found], axis=2)
    labels = tuple((names[i], k + 1) for i, k in found)
    labelled = tuple(f"m{i}" for i in range(len(values)))
    return ScoreMatrix(labelled, CONDITIONS, labels, values, values, names, missing_videos={})


@cache
def true_scores(models: Models) -> NDArray[np.float64]:
    """models x conditions: the score of the whole population, in points."""
    scores, objects = population(models)
    counted = np.arange(6) < objects[:, None]
    found: NDArray[np.float64] = 100 * (scores * counted).sum((2, 3)) / objects.sum()
    return found


def numbers(by_model: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Name -> value of every number that is studied, from scores (..., models x conditions)."""
    p, mpc = by_model[..., 0], by_model[..., 1:].mean(-1)
    yield "P", p[..., 1]
    yield "mPC", mpc[..., 1]
    yield "rPC", 100 * mpc[..., 1] / p[..., 1]
    yield "drop", p[..., 1] - mpc[..., 1]
    yield "family", by_model[..., 1, 3:].mean(-1)
    yield "A - B", mpc[..., 1] - mpc[..., 2]
    yield "A - B, far apart", mpc[..., 0] - mpc[..., 4]


def intervals(study: Jackknife) -> dict[str, Interval]:
    """The same numbers with the intervals of tables."""
    stats = study.statistics
    return {
        "P": study.interval(1, stats["P"]),
        "mPC": study.interval(1, stats["mPC"]),
        "rPC": study.ratio(1, stats["mPC"], stats["P"]),
        "drop": study.interval(1, stats["drop"]),
        "family": study.interval(1, stats["family:noise"]),
        "A - B": study.difference(1, 2, stats["mPC"])[0],
        "A - B, far apart": study.difference(0, 4, stats["mPC"])[0],
    }


def drawn_scores(study: ScoreMatrix, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """draws x models x conditions: scores of a bootstrap over videos."""
    n, of = len(study.videos), study.video_of
    counts = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(float)
    sums = np.stack([100 * study.jf[:, :, of == v].sum(axis=2) for v in range(n)])
    shape = sums.shape[1:]
    drawn: NDArray[np.float64] = counts @ sums.reshape(n, -1) / (counts @ np.bincount(of, minlength=n))[:, None]
    return drawn.reshape(-1, *shape)


def ends(values: NDArray[np.float64]) -> tuple[float, float]:
    """The percentiles between which 95 % of the draws lie."""
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)


def simulated(videos: int, trials: int, draws: int = 500) -> dict[str, Rate]:
    """Coverage at a number of videos: name of the number -> rate."""
    rng = np.random.Generator(np.random.PCG64(videos))
    true = {name: float(value) for name, value in numbers(true_scores(DIFFERENT))}
    rates: dict[str, Rate] = {}
    for _ in range(trials):
        study = matrix(rng.integers(0, POPULATION, videos))
        jackknife, drawn = Jackknife(study), drawn_scores(study, draws, rng)
        percentiles = {name: ends(values) for name, values in numbers(drawn)}
        for name, found in intervals(jackknife).items():
            rates.setdefault(name, Rate()).add(found, percentiles[name], true[name])
        _add_orders(rates, "", DIFFERENT, jackknife, drawn)
        study = matrix(rng.integers(0, POPULATION, videos), CLOSE)
        _add_orders(rates, ", close models", CLOSE, Jackknife(study), drawn_scores(study, draws, rng))
    return rates


def _add_orders(
    rates: dict[str, Rate], what: str, models: Models, study: Jackknife, drawn: NDArray[np.float64]
) -> None:
    """Ranks and tau of one study, against those of the population."""
    truth = true_scores(models)
    mpc, true_mpc = drawn[..., 1:].mean(-1), truth[:, 1:].mean(1)
    true_rank = 1 + (true_mpc[:, None] < true_mpc).sum(1)
    for model, rank in ranks(study, study.statistics["mPC"]).items():
        span = Interval(rank.rank, rank.low, rank.high)
        drawn_ranks = 1 + (mpc[:, model, None] < mpc).sum(1)
        rates.setdefault(f"rank{what}", Rate()).add(span, ends(drawn_ranks), float(true_rank[model]))
    taus = np.array([kendalltau(one, two).statistic for one, two in zip(drawn[:100, :, 0], mpc[:100])])
    true_tau = float(kendalltau(truth[:, 0], true_mpc).statistic)
    rates.setdefault(f"tau{what}", Rate()).add(order_consistency(study).tau, ends(taus), true_tau)


def table(trials: int) -> str:
    """The rates at every number of videos, as Markdown."""
    studies = {videos: simulated(videos, trials if videos < 200 else trials // 2) for videos in VIDEOS}
    lines = ["| coverage in % (mean width) | " + " | ".join(f"{v} videos" for v in VIDEOS) + " |"]
    lines.append("|:--|" + "--:|" * len(VIDEOS))
    for name in studies[VIDEOS[0]]:
        cells = [f"{100 * r.covered:.1f} ({r.width / r.trials:.1f})" for r in (s[name] for s in studies.values())]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        cells = [
            f"{100 * r.percentile:.1f} ({r.percentile_width / r.trials:.1f})"
            for r in (s[name] for s in studies.values())
        ]
        lines.append(f"| {name}, bootstrap percentiles | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000, help="studies per number of videos (half of it at 200)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/metrics.md")
    given = parser.parse_args()
    found = table(given.trials)
    print(found)
    if given.write:
        text = DOCS.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        DOCS.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
