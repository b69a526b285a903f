"""Reasons to doubt a number: every result of an attack is given with them. An error means that it is no evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from robust_vos_bench.analysis.attacked import Flag as Flag

MEANINGS = {
    "gradient": "the gradient is not finite, or zero at a frame on which a scored frame depends",
    "agreement": "the model that was attacked and the model that is scored give other masks for the same frames",
    "budget": "the stored frames are not those that the threat allows",
    "unbounded": "without a bound the same search leaves J&F above 5 points: it does not work on this model",
    "monotone": "a smaller threat hurt more than the search in more than a tenth of the videos",
    "restarts": "starts at other points differ by more than 5 points",
    "converged": "the second half of the steps still gained more than 2 points",
    "black box": "Square Attack, which sees no gradients, hurt more than the gradients",
    "transfer": "frames made against another model hurt more than those made against this one",
    "noise": "random noise of the same size hurts as much",
    "random": "two passes over the same frames differ, and the search did not average over draws",
}
"""Flag -> what it means, for a person."""
GAIN = 2.0
"""Points that the second half of the steps may gain."""
ENOUGH = 1.0
"""Points of J&F below which a search stops."""
SPREAD = 5.0
"""Points by which starts may differ, and that J&F may keep without a bound."""
BEATEN = 1.0
"""Points by which a weaker attack may hurt more."""
NOISE = 0.5
"""An attack that takes no more than this share of points beyond what noise takes is no better than noise."""
OTHER_VERSION = "a flag that this version does not know; see the version that made the split"
BEATEN_SHARE = 0.1
PIXELS, POINTS = 0.001, 0.5
"""How far the attacked and the scored model may differ: share of pixels, and points of J&F."""


def told(flag: Flag) -> str:
    """A flag with what it means."""
    return f"{flag.name}: {MEANINGS.get(flag.name, OTHER_VERSION)}" + (f" ({flag.detail})" if flag.detail else "")


def merged(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """One flag a name, the first of each, errors first."""
    found: dict[str, Flag] = {}
    for flag in flags:
        found.setdefault(flag.name, flag)
    order = [*MEANINGS, *sorted(set(found) - set(MEANINGS))]
    return tuple(sorted(found.values(), key=lambda flag: (not flag.is_error, order.index(flag.name))))


def converged(best_by_step: Sequence[Sequence[float]]) -> list[Flag]:
    """best_by_step: for each window of a search, the best J&F in points after every step, the start first.

    A search that ended because nothing was left (less than `ENOUGH` points) has no more to gain.
    """
    curves = [list(curve) for curve in best_by_step if len(curve) > 2]
    if not curves:
        return []
    gain = sum(curve[len(curve) // 2] - curve[-1] for curve in curves if curve[-1] >= ENOUGH) / len(curves)
    return [Flag("converged", f"{gain:.1f} points")] if gain > GAIN else []


def agreement(different: float, rolled: float, segmented: float) -> list[Flag]:
    """different: share of pixels; rolled, segmented: J&F in points of both ways through the model."""
    gap = abs(rolled - segmented)
    if different <= PIXELS and gap <= POINTS:
        return []
    return [Flag("agreement", f"{100 * different:.2f} % of the pixels, {gap:.1f} points of J&F")]


def unbounded(score: float) -> list[Flag]:
    """score: J&F in points that a search with budget 255 leaves."""
    return [Flag("unbounded", f"{score:.1f} points are left")] if score > SPREAD else []


def restarts(scores: Sequence[float]) -> list[Flag]:
    """scores: J&F in points of the same search from several starts."""
    spread = max(scores) - min(scores) if len(scores) > 1 else 0.0
    return [Flag("restarts", f"{spread:.1f} points")] if spread > SPREAD else []


def monotone(beaten: int, searched: int) -> list[Flag]:
    """beaten: videos in which a smaller threat hurt more, of those that were searched."""
    return [Flag("monotone", f"{beaten} of {searched} videos")] if beaten > BEATEN_SHARE * searched else []


def weaker(name: str, who: str, white: float, other: float) -> list[Flag]:
    """`name` ("black box", "transfer"): another attack leaves `other` points, the white box `white`."""
    return [Flag(name, f"{who}: {other:.1f} against {white:.1f}")] if other < white - BEATEN else []


def noise(clean: float, attacked: float, noisy: float) -> list[Flag]:
    """Points of the clean frames, of the attacked ones, and of noise of the same size on the same frames."""
    lost = clean - attacked
    return [Flag("noise", f"{noisy:.1f} against {attacked:.1f}")] if clean - noisy >= lost - NOISE else []
