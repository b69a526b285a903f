"""What one packed result says of its model: means over conditions in points, on all videos and without each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.intervals import Jackknife, condition_weights, t_interval
from robust_vos_bench.analysis.result import Result, joint_matrix


@dataclass(frozen=True)
class Sample:
    """A number in points, and the same without each video."""

    value: float
    left_out: NDArray[np.float64]

    def __add__(self, other: Sample) -> Sample:
        return Sample(self.value + other.value, self.left_out + other.left_out)

    def __sub__(self, other: Sample) -> Sample:
        return self + other.scaled(-1)

    def scaled(self, by: float) -> Sample:
        """The same, times a number."""
        return Sample(self.value * by, self.left_out * by)

    @property
    def text(self) -> str:
        """With its interval; in bold where that excludes zero."""
        found = t_interval(self.value, self.left_out)
        text = f"{found.value:+.1f} ({found.low:+.1f} to {found.high:+.1f})"
        return f"**{text}**" if found.excludes_zero else text


def mean_of(values: NDArray[np.float64]) -> Sample:
    """The mean of values of videos, one each."""
    return Sample(float(values.mean()), (values.sum() - values) / max(len(values) - 1, 1))


class Scored:
    """One result, ready for its statistics."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._jackknife = Jackknife(joint_matrix([result]))

    def sample(self, what: str | Sequence[str]) -> Sample:
        """P, mPC, drop, a family, or the mean over named corruptions. KeyError for what it does not hold."""
        known = self._jackknife.statistics
        if isinstance(what, str):
            return self._of(known[what if what in known else f"family:{what}"])
        conditions = self._jackknife.matrix.conditions
        chosen = [i for i, c in enumerate(conditions) if c.corruption in what and c.severity == 3]
        if {conditions[i].corruption for i in chosen} != set(what):
            raise KeyError(f"{self._result.model} has not all of {', '.join(what)}")
        return self._of(condition_weights(self._jackknife.matrix, chosen))

    def _of(self, weights: NDArray[np.float64]) -> Sample:
        return Sample(self._jackknife.value(0, weights), self._jackknife.left_out(0, weights))

    @cached_property
    def corruptions(self) -> tuple[str, ...]:
        """Those that it was run under, each once."""
        return tuple(dict.fromkeys(c.corruption for c in self._jackknife.matrix.conditions if not c.is_clean))

    @property
    def videos(self) -> tuple[str, ...]:
        """Names, in the order of the data set."""
        return self._jackknife.matrix.videos

    @property
    def weights(self) -> str:
        """Hex sha256 of the model's weights, "" where it has none."""
        return self._result.manifest.models[0].weights_sha256

    def by_video(self, statistic: str) -> NDArray[np.float64]:
        """J&F in points of P or mPC, mean over the objects of each video, (videos,)."""
        values: NDArray[np.float64] = self._jackknife.matrix.by_video(self._jackknife.statistics[statistic])[0]
        return values

    @cached_property
    def lost(self) -> float:
        """Share of objects, over all damaged conditions alike, whose J stays below 0.1 to the end, in percent."""
        clean = {c.label for c in self._result.manifest.conditions if c.is_clean}
        return 100 * float(np.mean([o.lost for o in self._result.objects if o.condition not in clean]))
