"""Searches by gradients on one video, window by window, in the box of a threat; the best iterate by official J&F."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from robust_vos_bench.attacks.apgd import Value, apgd
from robust_vos_bench.attacks.effort import Effort
from robust_vos_bench.attacks.flags import ENOUGH
from robust_vos_bench.attacks.lattice import Box, Frames, as_frame, box_of, rounded
from robust_vos_bench.attacks.momentum import momentum
from robust_vos_bench.attacks.rollout import Objective, Seen, Window, windows_of
from robust_vos_bench.attacks.scores import Judge
from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.datasets.video import Frame, Truth, Video
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.differentiable import as_differentiable


class Way(NamedTuple):
    """How one search goes."""

    name: str
    """With the names of video and threat it decides every random number."""
    loss: str
    steps: int
    start: Frames | None = None
    """Frames at which it begins; None: a random point of the box."""
    wide: float | None = None
    """First step of `momentum`, as a share of the box's radius; None: Auto-PGD."""


class Descent(NamedTuple):
    """What a search gave."""

    frames: list[Frame]
    curves: list[list[float]]
    """For each window that is scored, the best J&F after every step, the start first."""
    passes: int


@dataclass(frozen=True)
class Slope:
    """One video under one threat, to be searched in several ways."""

    adapter: VOSAdapter
    video: Video
    truth: Truth
    threat: Threat
    effort: Effort
    judge: Judge
    clean: Frames
    rng: Callable[..., np.random.Generator]
    """Of the words that name what is drawn."""
    draws: int = 1
    """Passes that are averaged, for models that draw."""

    def search(self, way: Way) -> Descent:
        """Go over all windows; earlier ones are fixed when the next one is searched. Raises GradientProblem."""
        windows = windows_of(self.threat, self.video, self.effort.horizon, self.effort.window)
        together = [windows] if self.threat.kind == "patch" else [[window] for window in windows]
        frames, curves, passes = list(self.clean), [], 0
        for part in together:
            only = frozenset(t for window in part for t in range(window.start, window.end))
            if self.threat.kind == "patch":  # it is on all frames, also on those before the first prompt
                only = frozenset(range(len(self.video)))
            if not (self.threat.allowed(self.video) & only):
                continue
            box = box_of(self.threat, self.video, self.clean, self.adapter.device, self.truth, only)
            objective = Objective(
                as_differentiable(self.adapter), self.video, self.judge, box, frames, part, way.loss,
                self.adapter.device, self.effort.checkpointed, self.draws,
            )  # fmt: skip
            if not objective.scored:
                continue
            found, curve = self._point(way, part, box, objective)
            frames = with_point(frames, box, found)
            curves.append(curve)
            passes += objective.passes
        return Descent(frames, curves, passes)

    def _point(self, way: Way, part: Sequence[Window], box: Box, objective: Objective) -> tuple[Tensor, list[float]]:
        """(the best point, the best J&F after every step)."""
        if way.start is None:
            point = box.random(self.rng(way.name, part[0].start))
        else:
            point = box.point({t: way.start[t] for t in box.indices})
        last: list[Seen] = []

        def value(at: Tensor) -> Value:
            last[:] = [objective(at)]
            return last[0].value

        if way.wide is None:
            walk = apgd(value, box.project, point, box.radius, way.steps)
        else:
            walk = momentum(value, box.project, point, way.wide * box.radius, way.steps)
        best, lowest = point, float("inf")
        curve: list[float] = []
        for step in walk:
            score = last[0].score
            if score < lowest:
                best, lowest = step.point, score
            curve.append(lowest)
            if lowest < ENOUGH:
                break
        return best, curve


def with_point(frames: Frames, box: Box, point: Tensor) -> list[Frame]:
    """Frames with those of a point in their places."""
    made, values = list(frames), rounded(point)
    for t in box.indices:
        made[t] = as_frame(box.frame(values, t))
    return made
