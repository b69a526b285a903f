"""The rules of protocols: which objects and frames count, and what is computed from their counts.

`davis` and `ranges` belong to `protocols.Protocol`. Every other rule is that of the evaluation script of one data set's
authors, re-implemented on the same counts; docs/datasets.md says what each was compared with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Truth
from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring.burst_classes import BURST_COMMON, burst_class
from robust_vos_bench.scoring.hota import Matches, TrackMatches, combined
from robust_vos_bench.scoring.measures import boundary_f, jaccard
from robust_vos_bench.scoring.objects import ObjectScore
from robust_vos_bench.scoring.statistics import statistics

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """What is known of one object after the last frame."""

    truth: Truth
    object: int
    frames: NDArray[np.int64]
    """(n,) indices of the candidate frames."""
    counts: NDArray[np.int64]
    """(n, 7) counts, see `measures.COUNTS`."""
    adapted: NDArray[np.int64] | None = None
    """(n, 5) counts, see `adapted.ADAPTED`, for a rule with `adapts`."""
    wrap_decay: bool = False


@dataclass(frozen=True)
class Values:
    """J and F of one object by frame, and what else the rule says of the object."""

    keep: NDArray[np.bool_]
    """(n,) which candidate frames count."""
    j: Floats
    f: Floats
    """One value per frame that counts."""
    zeros: int = 0
    """Frames without masks that count with J = F = 0."""
    extra: Mapping[str, float] = field(default_factory=dict)


class Rule:
    """The protocol of one data set's authors."""

    adapts = False
    """Whether the rule needs `Track.adapted`."""
    extra: tuple[str, ...] = ()
    """Names of the numbers beside the six statistics that an object may have; all but V in 0..1."""
    whose: str
    """What the last line of a table says of the numbers."""

    def objects(self, truth: Truth, annotated: Sequence[int]) -> tuple[int, ...]:
        """Ids of the objects that are scored: all that the truth knows."""
        return tuple(sorted(i for i in truth.first_frames if 0 < i < 255))

    def candidates(self, truth: Truth, annotated: Sequence[int]) -> list[int]:
        """Frames whose predictions may count: without the first and the last annotated one."""
        return list(annotated[1:-1])

    def values(self, track: Track) -> Values:
        """J and F of an object over the frames that count."""
        return Values(np.ones(len(track.frames), np.bool_), jaccard(track.counts), boundary_f(track.counts))

    def matches(self, truth: Truth) -> TrackMatches | None:
        """What compares objects with each other in every frame, for a rule that does; `ObjectScore.matches` has it."""
        return None

    def overall(self, objects: Sequence[ObjectScore]) -> dict[str, float]:
        """The global numbers under the names of the authors' script, in 0..1; NaN where there is no object."""
        raise NotImplementedError


class SAV(Rule):
    """SA-V val and test (facebookresearch/sam2, sav_dataset): every object by itself, in masks of its own.

    Frames before the first that shows the object in the truth or in the prediction do not count.
    """

    whose = "the numbers of the authors' sav_evaluator"

    def values(self, track: Track) -> Values:
        """J and F from the first frame on that shows the object in one of the two masks."""
        shown = np.flatnonzero((track.counts[:, 0] > 0) | (track.counts[:, 1] > 0))
        keep = np.zeros(len(track.frames), np.bool_)
        if (track.counts[:, 1] > 0).any():  # an object that the truth never shows has no score
            keep[shown[0] :] = True
        counts = track.counts[keep]
        return Values(keep, jaccard(counts), boundary_f(counts))

    def overall(self, objects: Sequence[ObjectScore]) -> dict[str, float]:
        """Plain means over objects."""
        j, f = _over(objects, "j_mean"), _over(objects, "f_mean")
        return {"J&F": (j + f) / 2, "J": j, "F": f}


class LVOS(Rule):
    """LVOS v1 and v2 (LingyiHongfd/lvos-evaluation): the frames of each object's range in meta.json.

    The first frame of the range does not count, nor does its last (`Truth.scored_frames` has the others). A range with
    fewer frames than meta.json says counts the missing ones as zero, as the authors' script does.
    """

    extra = ("V",)
    whose = "the numbers of the authors' lvos-evaluation"

    def objects(self, truth: Truth, annotated: Sequence[int]) -> tuple[int, ...]:
        """The objects that meta.json lists."""
        return tuple(sorted(self._frames(truth)))

    def candidates(self, truth: Truth, annotated: Sequence[int]) -> list[int]:
        """The frames that count for any object."""
        return sorted({t for frames in self._frames(truth).values() for t in frames})

    def values(self, track: Track) -> Values:
        """J and F over the frames of the object's range, and V, how much their mean moves over time."""
        own = self._frames(track.truth)[track.object]
        keep = np.isin(track.frames, own)
        counts = track.counts[keep]
        j, f = jaccard(counts), boundary_f(counts)
        zeros = max(track.truth.listed_lengths.get(track.object, 0) - len(own), 0)
        return Values(keep, j, f, zeros, {"V": _variation(_padded(j, zeros), _padded(f, zeros))})

    def overall(self, objects: Sequence[ObjectScore]) -> dict[str, float]:
        """Means over the seen and over the unseen objects, and their plain means."""
        groups = [[o for o in objects if o.category == category] for category in ("seen", "unseen")]
        js, fs, vs = ([_over(group, name) for group in groups] for name in ("j_mean", "f_mean", "V"))
        return {
            "J&F-Mean": (js[0] + fs[0] + (js[1] + fs[1])) / 4,
            **{
                f"{name}{part}-Mean": value
                for name, (seen, unseen) in (("J", js), ("F", fs), ("V", vs))
                for part, value in (("", (seen + unseen) / 2), ("-seen", seen), ("-unseen", unseen))
            },
        }

    def _frames(self, truth: Truth) -> Mapping[int, Sequence[int]]:
        if truth.scored_frames is None:
            raise DataError(f"video {truth.video!r}: the protocol lvos needs the frame ranges of meta.json")
        return truth.scored_frames


class VOST(Rule):
    """VOST (TRI-ML/VOST, evaluation): J, and J_tr, its mean over the last quarter of the frames, after the change.

    Objects are 1..the largest id of the first mask, as for DAVIS. The authors' script has no F; it is computed here as
    for DAVIS.
    """

    extra = ("J_tr", "J_tr-Recall", "J_tr-Decay")
    whose = "the numbers of the authors' evaluation, which has no F"

    def objects(self, truth: Truth, annotated: Sequence[int]) -> tuple[int, ...]:
        """1..the largest id of the first annotated frame."""
        first = [i for i, t in truth.first_frames.items() if t == annotated[0] and 0 < i < 255]
        return tuple(range(1, max(first, default=0) + 1))

    def values(self, track: Track) -> Values:
        """J and F over all frames but the first and the last; the statistics of J over their last quarter."""
        found = super().values(track)
        late = found.j[math.floor(len(found.j) * 0.75) :]
        return Values(found.keep, found.j, found.f, extra=dict(zip(self.extra, statistics(late, track.wrap_decay))))

    def overall(self, objects: Sequence[ObjectScore]) -> dict[str, float]:
        """Plain means over objects, of J and of J_tr ("J_last")."""
        kinds = ("Mean", "Recall", "Decay")
        whole = {f"J-{kind}": _over(objects, f"j_{kind.lower()}") for kind in kinds}
        return whole | {f"J_last-{kind}": _over(objects, name) for kind, name in zip(kinds, self.extra)}


class MOSEv2(Rule):
    """MOSEv2 (henghuiding/MOSE-api, MOSEv2/sam2_rcms/tools/score.py): J with F at an adapted tolerance.

    J adds one pixel to intersection and union. F is the adapted one (see `adapted`), "F_fixed" the usual one. Frames
    before an object appears count, where it has to be absent. "disappeared" is the mean over the stretches of frames in
    which the object is gone, "reappeared" over those in which it is back.
    """

    adapts = True
    extra = ("F_fixed", "J_disappeared", "F_disappeared", "J_reappeared", "F_reappeared")
    whose = "the numbers of the authors' score.py; F is the adapted one"

    def values(self, track: Track) -> Values:
        """J, adapted F, and the means over the stretches without and with the object."""
        counts, adapted = track.counts, track.adapted
        if adapted is None:
            raise DataError(f"video {track.truth.video!r}: the protocol mosev2 needs counts at the adapted tolerance")
        union = counts[:, 0] + counts[:, 1] - counts[:, 2]
        j: Floats = (counts[:, 2] + 1) / (union + 1)
        own = np.zeros_like(counts)
        own[:, 3:7] = adapted[:, :4]
        f = boundary_f(own)
        fixed = np.where(adapted[:, 4] > 0, f, boundary_f(counts))
        gone, back = _stretches(counts[:, 1] == 0)
        extra = {"F_fixed": statistics(fixed)[0]}
        for name, found in (("disappeared", gone), ("reappeared", back)):
            for letter, values in (("J", j), ("F", f)):
                extra[f"{letter}_{name}"] = _mean(float(values[a:b].mean()) for a, b in found)
        return Values(np.ones(len(track.frames), np.bool_), j, f, extra=extra)

    def overall(self, objects: Sequence[ObjectScore]) -> dict[str, float]:
        """Plain means over objects; over those that disappear or reappear for the last two kinds."""
        j, f, fixed = (_over(objects, name) for name in ("j_mean", "f_mean", "F_fixed"))
        parts = [_mean(o.extra[name] for o in objects if o.frames) for name in self.extra[1:]]
        return {
            "J&F_new": (j + f) / 2,
            "J": j,
            "F_new": f,
            "disappear_J&F_new": (parts[0] + parts[1]) / 2,
            "reappear_J&F_new": (parts[2] + parts[3]) / 2,
            "F": fixed,
            "J&F": (j + fixed) / 2,
        }


class BURST(Rule):
    """BURST, exemplar-guided (Ali2500/BURST-benchmark): HOTA class by class, over all annotated frames.

    The authors' script compares the boxes around the masks; with "mask " before a name the masks themselves are
    compared, as their paper describes it. J and F are not part of that evaluation and are computed as the protocol
    ranges does. Its AP of tracks is not computed. Categories are "<number> <name>", as `datasets.burst` has them.
    """

    whose = "HOTA, DetA and AssA of the authors' evaluation (of boxes; its AP is left out); J and F as by ranges"

    def candidates(self, truth: Truth, annotated: Sequence[int]) -> list[int]:
        """Every annotated frame: for HOTA the one with the given mask counts as well."""
        return list(annotated)

    def values(self, track: Track) -> Values:
        """J and F from the frame after the prompt to the last that shows the object."""
        first = track.truth.first_frames.get(track.object, 0)
        shown = track.frames[track.counts[:, 1] > 0]
        keep = (track.frames > first) & (track.frames <= (shown[-1] if len(shown) else first))
        return Values(keep, jaccard(track.counts[keep]), boundary_f(track.counts[keep]))

    def matches(self, truth: Truth) -> TrackMatches:
        """Objects by class, without the classes that only distract."""
        found = {i: burst_class(category) for i, category in truth.categories.items()}
        return TrackMatches({i: group for i, group in found.items() if group is not None})

    def overall(self, objects: Sequence[ObjectScore]) -> dict[str, float]:
        """Means over classes: of all, of the common and of the uncommon ones."""
        groups: dict[int, list[Matches]] = {}
        for score in objects:
            if score.matches:
                groups.setdefault(burst_class(score.category) or 0, []).append(score.matches)
        numbers: dict[str, float] = {}
        for kind, word in (("box", ""), ("mask", "mask ")):
            each = {group: combined(one[kind] for one in found) for group, found in groups.items()}
            parts = {"": set(each), "-common": set(each) & BURST_COMMON, "-uncommon": set(each) - BURST_COMMON}
            for name in ("HOTA", "DetA", "AssA"):
                for part, chosen in parts.items():
                    numbers[word + name + part] = _mean(each[group][name] for group in sorted(chosen))
        return numbers


RULES: Mapping[str, Rule] = {"sav": SAV(), "lvos": LVOS(), "vost": VOST(), "mosev2": MOSEv2(), "burst": BURST()}
"""Name of a protocol -> its rule."""


def _padded(values: Floats, zeros: int) -> Floats:
    return np.append(values, np.zeros(zeros)) if zeros else values


def _mean(values: Iterable[float]) -> float:
    """Plain mean of what is defined; NaN where nothing is."""
    known = [v for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


def _over(objects: Sequence[ObjectScore], name: str) -> float:
    """Plain mean of a statistic or an extra number over the objects that have a scored frame; NaN without any."""
    values = [o.extra[name] if name in o.extra else getattr(o, name) for o in objects if o.frames]
    return float(np.mean(values)) if values else math.nan


def _variation(j: Floats, f: Floats) -> float:
    """V of LVOS: root of the mean squared difference of (J + F) / 2 from its mean, rounded as the authors' script."""
    if not len(j):
        return math.nan
    both = (j + f) / 2
    return math.sqrt(np.round(np.sum((np.mean(both) - both) ** 2) / len(both), 4))


def _stretches(empty: NDArray[np.bool_]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(stretches of frames without the object, stretches with it after one without), as (first, end).

    The absence before an object's first frame is no disappearance.
    """
    starts = [0, *(np.flatnonzero(empty[1:] != empty[:-1]) + 1).tolist()]
    ends = [*starts[1:], len(empty)]
    gone = [(a, b) for a, b in zip(starts, ends) if a < b and empty[a] and a > 0]
    back = [(a, b) for a, b in zip(starts, ends) if a < b and not empty[a] and a > 0]
    return gone, back
