"""From the records and votes of the draws to certificates: what is claimed, of which video and object, with which N."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.certified import median, pixels
from robust_vos_bench.certified.draws import Noise
from robust_vos_bench.certified.votes import Votes
from robust_vos_bench.datasets import Truth
from robust_vos_bench.datasets.video import VOID
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.scoring.truth import OverlappingMasks


@dataclass(frozen=True)
class Claims:
    """What is asked for."""

    draws: int
    alpha: float
    """A row's claim at one radius is wrong with at most this probability."""
    ratios: tuple[float, ...]
    """Radii as multiples of sigma."""
    tau: float = pixels.TAU
    pixels: bool = True


@dataclass(frozen=True)
class Bound:
    """A lower bound of the median J&F within one radius."""

    radius: float
    """L2 norm of the change, values of 0 to 1, all covered frames together."""
    order: int
    """Which of the sorted draws it is; 0: none, they are too few."""
    least: int
    """Draws below which there is no bound."""
    value: float | None
    objects: Mapping[tuple[str, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class PixelBound:
    """A lower bound of J by pixels that keep their label within one radius."""

    radius: float
    draws: int
    least: int
    value: float
    """J at worst, mean over objects."""
    chosen: float
    """J of the labels that the first draws chose."""
    abstained: float
    """Share of the pixels of scored frames that abstain."""


@dataclass(frozen=True)
class Certificate:
    """One row: a model under one noise."""

    model: str
    noise: Noise
    missing: int
    """Units (a draw of a video) that failed or are not done: nothing is claimed then."""
    objects: int
    clean: float | None
    """J&F without noise."""
    one_draw: float | None
    """Mean J&F of a draw."""
    bounds: tuple[Bound, ...] = ()
    pixel: PixelBound | None = None


def _jf(record: UnitRecord) -> dict[tuple[str, int], float]:
    scores = {(record.video, o.object): o.jf for o in record.objects}
    if not scores or any(math.isnan(value) for value in scores.values()):
        raise DataError(f"video {record.video!r}: an object has no scored frame, so there is no J&F to certify")
    return scores


def certify_median(
    model: str, noise: Noise, claims: Claims, clean: Sequence[UnitRecord | None], draws: Sequence[UnitRecord | None]
) -> Certificate:
    """The row of a model from the records of all videos: clean, and of each draw. Nothing is claimed where one is
    missing: to leave out a draw that failed would be to choose among them."""
    missing = sum(record is None or not record.ok for record in (*clean, *draws))
    plain: dict[tuple[str, int], float] = {}
    for record in clean:
        if record is not None and record.ok:
            plain |= _jf(record)
    if missing:
        return Certificate(model, noise, missing, len(plain), None, None)
    values: dict[tuple[str, int], list[float]] = {place: [] for place in plain}
    for record in draws:
        assert record is not None
        for place, score in _jf(record).items():
            values[place].append(score)
    alpha = claims.alpha / len(plain)
    bounds = []
    for ratio in claims.ratios:
        found = {place: median.lower_bound(scores, ratio, alpha) for place, scores in values.items()}
        known = {place: bound for place, bound in found.items() if bound is not None}
        value = float(np.mean(list(known.values()))) if len(known) == len(found) else None
        r, least = median.order(claims.draws, ratio, alpha), median.least_draws(ratio, alpha)
        bounds.append(Bound(ratio * noise.sigma, r, least, value, known))
    return Certificate(
        model,
        noise,
        0,
        len(plain),
        float(np.mean(list(plain.values()))),
        float(np.mean([np.mean(scores) for scores in values.values()])),
        tuple(bounds),
    )


@dataclass(frozen=True)
class VideoVotes:
    """What the pixels of one video need: votes, truth, and which frames count for which object."""

    votes: Votes
    truth: Truth
    scored: Mapping[int, Sequence[int]]


def _true(truth: Truth, t: int, number: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels of an object in a scored frame, and those that do not count."""
    mask = truth.masks[t]
    assert mask is not None  # it is scored
    if isinstance(truth.masks, OverlappingMasks):
        return truth.masks.planes(t).get(number, np.zeros(truth.size, np.bool_)), mask == VOID
    return mask == number, mask == VOID


def certify_pixels(noise: Noise, claims: Claims, videos: Sequence[VideoVotes]) -> PixelBound:
    """Certified J, mean over the objects of all videos; each video at alpha over their number, Holm within it."""
    worst, chosen, abstained, total, least, draws = [], [], 0, 0, 0, 0
    alpha = claims.alpha / len(videos)
    for video in videos:
        votes = video.votes
        frames = sorted({t for scored in video.scored.values() for t in scored})
        p = pixels.p_values(votes.tested, claims.tau)
        counts = np.bincount(votes.agree[frames].ravel(), minlength=votes.tested + 1).astype(np.int64)
        bar = pixels.holm(counts, p, alpha)
        total, abstained = total + int(counts.sum()), abstained + int(counts[:bar].sum())
        least, draws = max(least, pixels.least_draws(int(counts.sum()), alpha, claims.tau)), len(votes.keys)
        for i, scored in video.scored.items():
            here: list[tuple[float, float]] = []
            for t in scored:
                true, void = _true(video.truth, t, i)
                label = votes.label[t] == i
                everywhere = np.ones_like(true)
                claimed = votes.agree[t] >= bar
                here.append(
                    (
                        pixels.certified_j(true, label, claimed, void),
                        pixels.certified_j(true, label, everywhere, void),
                    )
                )
            lowest, plain = np.mean(here, axis=0)
            worst.append(float(lowest))
            chosen.append(float(plain))
    return PixelBound(
        pixels.radius(noise.sigma, claims.tau),
        draws,
        least,
        float(np.mean(worst)),
        float(np.mean(chosen)),
        abstained / total,
    )
