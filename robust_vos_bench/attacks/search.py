"""The attack on one video: several searches, the worst result kept, and everything that tells how far to believe it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from robust_vos_bench.attacks import flags as doubts
from robust_vos_bench.attacks.descent import Slope, Way, with_point
from robust_vos_bench.attacks.effort import Attacked, Candidate, Effort
from robust_vos_bench.attacks.flags import ENOUGH, Flag
from robust_vos_bench.attacks.lattice import FrameBox, Frames, as_tensor, box_of
from robust_vos_bench.attacks.limits import check_possible, outside
from robust_vos_bench.attacks.rollout import GradientProblem
from robust_vos_bench.attacks.scores import Judge, difference, masks_of
from robust_vos_bench.attacks.square import square
from robust_vos_bench.attacks.threat import VERSION, Threat
from robust_vos_bench.conditions.draw import key_entropy
from robust_vos_bench.datasets.video import Frame, Mask, Truth, Video
from robust_vos_bench.errors import DataError
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.differentiable import Differentiable, as_differentiable
from robust_vos_bench.system.global_state import random_state_kept

EOT_DRAWS, EOT_SCORES = 8, 20
"""Passes averaged for a gradient, and for a score, of a model that draws."""
FIRST_SHARE, REFINED_WIDTH = 0.6, 0.6
"""Share of its steps that each loss has at first; the rest go to the best loss, from the best frames, and begin with a
step of this share of the budget."""
REFINED = "refined"
Say = Callable[[str], None]


def attack_video(
    adapter: VOSAdapter,
    video: Video,
    truth: Truth,
    threat: Threat,
    steps: int | None = None,
    *,
    effort: Effort | None = None,
    candidates: Sequence[Candidate] = (),
    protocol: str = "davis",
    seed: int = 0,
    say: Say = lambda text: None,
) -> Attacked:
    """Frames of one video that are within the threat and hurt the model most, of those that were tried.

    Parameters
    ----------
    adapter
        A loaded model. linf and patch need one with `roll_out`; square needs its masks alone.
    video, truth
        The clean video and its true masks, which the attacker knows (the model does not).
    threat
        `Threat("linf", budget=2, frames="prompt")`.
    steps, effort
        Steps of each search, and everything else (`Effort`).
    candidates
        Results of smaller threats on the same video and model: a larger one is never reported weaker.
    protocol
        Scoring protocol of the data set.
    seed
        With the names of video and search it decides every random number.
    say
        Is told what is done.

    Raises
    ------
    UsageError
        A model without gradients and a threat that needs them.
    DataError
        A video of which nothing is scored.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> data = rvos.open_dataset("demo")
    >>> threat = rvos.Threat("linf", budget=4, frames="prompt")
    >>> found = rvos.attack_video(
    ...     rvos.load_adapter("aot.lite", device="cpu"), data.video("cat"), data.truth("cat"), threat, steps=1
    ... )
    >>> found.score <= found.clean
    True
    """
    chosen = effort or Effort()
    chosen = chosen if steps is None else replace(chosen, steps=steps)
    with random_state_kept():
        # A model that draws from the global generators draws the same again when the search is repeated.
        torch.manual_seed(key_entropy(threat.label, seed, video.dataset, video.name) % 2**63)
        return _Attack(adapter, video, truth, threat, chosen, protocol, seed, say).run(candidates)


class _Attack:
    """The state of one call of `attack_video`."""

    def __init__(
        self,
        adapter: VOSAdapter,
        video: Video,
        truth: Truth,
        threat: Threat,
        effort: Effort,
        protocol: str,
        seed: int,
        say: Say,
    ) -> None:
        check_possible(adapter, threat)
        self.adapter, self.video, self.truth, self.threat = adapter, video, truth, threat
        self.effort, self.seed, self.say = effort, seed, say
        self.judge = Judge(video, truth, protocol)
        if not threat.allowed(video):
            raise DataError(f"video {video.name!r}: {threat.name} has no frame to change in {len(video)} frames")
        self.clean: list[Frame] = [np.asarray(frame) for frame in video.frames]
        self.passes = 0
        self.eot = 1
        self.flags: list[Flag] = []
        self.trace: dict[str, list[list[float]]] = {}
        self.best, self.score, self.chosen = list(self.clean), math.inf, "clean"
        self.by_loss: dict[str, float] = {}

    def run(self, candidates: Sequence[Candidate]) -> Attacked:
        began, busy = time.perf_counter(), time.process_time()
        clean_masks, drawn = self._segment(self.clean), False
        clean = self.judge.track(clean_masks)
        if self.threat.needs_model:
            drawn = self.adapter.card.stochastic or difference(clean_masks, self._segment(self.clean)) > 0
            self.eot = self.effort.eot or (EOT_DRAWS if drawn else 1)
            if drawn and self.eot == 1:
                self.flags.append(Flag("random"))
            if drawn:
                clean = self._score(self.clean)
        self.score = clean
        known: dict[str, float] = {}
        for candidate in candidates:
            self._check(candidate.frames, candidate.label)
            known[candidate.label] = self._score(candidate.frames)
            if known[candidate.label] < self.score:
                self.best, self.score, self.chosen = list(candidate.frames), known[candidate.label], candidate.label
        for name, find in self._searches(self.best):
            if self.score < ENOUGH and self.threat.needs_model:
                break
            self.say(name)
            try:
                found = find()
            except GradientProblem as problem:
                self.flags.append(Flag("gradient", f"{name}: {problem}"))
                continue
            self._check(found, name)
            self.by_loss[name] = self._score(found)
            # Noise is what it is: nothing is chosen.
            if self.by_loss[name] < self.score or self.threat.kind == "noise":
                self.best, self.score, self.chosen = found, self.by_loss[name], name
        if self.threat.needs_gradients and self.threat.needs_model:
            self._check_model(self.best)
            self._extra_checks()
        self.flags += doubts.converged(self._of(self.chosen))
        return Attacked(
            frames=[np.array(frame, copy=True) for frame in self.best],
            score=self.score,
            clean=clean,
            chosen=self.chosen,
            by_loss=self.by_loss,
            candidates=known,
            trace=self.trace,
            flags=doubts.merged(self.flags),
            passes=self.passes,
            seconds=time.perf_counter() - began,
            cpu_seconds=time.process_time() - busy,
            eot=self.eot,
        )

    def _of(self, chosen: str) -> list[list[float]]:
        """Curves of the search whose frames were chosen; where a smaller threat won, of all."""
        if chosen in self.trace:
            return self.trace[chosen]
        return [curve for curves in self.trace.values() for curve in curves]

    def _searches(self, start: Frames) -> list[tuple[str, Callable[[], list[Frame]]]]:
        """(name, search) in order. start: frames at which the first one begins."""
        if self.threat.kind == "noise":
            return [("noise", self._noise)]
        if self.threat.kind == "square":
            return [("square", self._square)]
        effort, ways = self.effort, []
        refining = self.threat.kind == "linf" and len(effort.losses) > 1
        steps = math.ceil(FIRST_SHARE * effort.steps) if refining else effort.steps
        for loss in effort.losses:
            if self.threat.kind == "patch":
                ways.append(Way(loss, loss, steps))
            else:
                ways.append(Way(loss, loss, steps, self.clean if ways else start, 1.0))
        found: list[tuple[str, Callable[[], list[Frame]]]] = [(way.name, partial(self._descend, way)) for way in ways]
        left = len(effort.losses) * (effort.steps - steps) - 1  # the first point of a search is a pass as well
        if left > 0:
            found.append((REFINED, partial(self._refine, left)))
        for number in range(2, effort.starts + 1):
            ways = [Way(f"{loss}, start {number}", loss, effort.steps) for loss in effort.losses]
            found += [(way.name, partial(self._descend, way)) for way in ways]
        return found

    def _refine(self, steps: int) -> list[Frame]:
        """From the best frames so far, with the loss that found most, in small steps."""
        loss = min(self.by_loss, key=lambda name: self.by_loss[name], default=self.effort.losses[0])
        return self._descend(Way(REFINED, loss, steps, self.best, REFINED_WIDTH))

    def _descend(self, way: Way, threat: Threat | None = None) -> list[Frame]:
        """threat: in place of that of the attack, as a check, which leaves no trace."""
        slope = Slope(
            self.adapter, self.video, self.truth, threat or self.threat, self.effort, self.judge, self.clean, self._rng,
            self.eot,
        )  # fmt: skip
        found = slope.search(way)
        self.passes += found.passes
        if threat is None:
            self.trace[way.name] = found.curves
        return found.frames

    def _rng(self, *stream: object) -> np.random.Generator:
        return _rng(self.video, self.threat, self.seed, *stream)

    def _noise(self) -> list[Frame]:
        return noise_frames(self.video, self.clean, self.threat, self.seed)

    def _square(self) -> list[Frame]:
        everywhere = frozenset(range(len(self.video)))
        box = box_of(self.threat, self.video, self.clean, self.adapter.device, self.truth, everywhere)
        assert isinstance(box, FrameBox)
        best, curve = box.lower, [100.0]
        for point, score, better in square(
            lambda at: self._score(with_point(self.clean, box, at)), box, self.effort.queries, self._rng("square")
        ):
            if better:
                best = point
            curve.append(min(curve[-1], score))
            if curve[-1] < ENOUGH:
                break
        self.trace["square"] = [curve[1:]]
        return with_point(self.clean, box, best)

    @property
    def model(self) -> Differentiable:
        """The model as one that passes gradients."""
        return as_differentiable(self.adapter)

    def _segment(self, frames: Frames) -> list[Mask]:
        self.passes += 1
        return masks_of(self.adapter, self.video, frames)

    def _score(self, frames: Frames) -> float:
        """J&F of the official adapter on the frames; of a model that draws, the mean of fresh draws."""
        draws = EOT_SCORES if self.eot > 1 else 1
        return float(np.mean([self.judge.track(self._segment(frames)) for _ in range(draws)]))

    def _check(self, frames: Frames, what: str) -> None:
        """Flag frames that the threat does not allow."""
        problem = outside(self.threat, self.video, self.clean, frames, self.truth)
        if problem:
            self.flags.append(Flag("budget", f"{what}: {problem}"))

    def _check_model(self, frames: Frames) -> None:
        """Flag a model whose roll-out is not what is scored."""
        if self.eot > 1 or any(flag.name == "random" for flag in self.flags):
            return
        rolled: list[Mask] = []
        with torch.no_grad():
            tensors = (as_tensor(frame, self.adapter.device) for frame in frames)
            for scores in self.model.roll_out(tensors, self.video):
                rolled.append(np.zeros(self.video.size, np.uint8) if scores is None else scores.mask())
        self.passes += 1
        official = self._segment(frames)
        self.flags += doubts.agreement(
            difference(rolled, official), self.judge.track(rolled), self.judge.track(official)
        )

    def _extra_checks(self) -> None:
        """Searches that only tell whether the attack works at all."""
        first = self.effort.losses[0]
        try:
            if self.effort.unbounded and self.threat.kind == "linf" and self.threat.frames != "one":
                self.say("without a bound")
                free = replace(self.threat, budget=255)
                way = Way("unbounded", first, self.effort.steps, self.clean, 1.0)
                self.flags += doubts.unbounded(self._score(self._descend(way, free)))
            if self.effort.restarts > 1 and self.threat.needs_gradients:
                found = []
                for number in range(self.effort.restarts):
                    self.say(f"start {number + 1} of {self.effort.restarts}")
                    wide = None if self.threat.kind == "patch" else 1.0
                    way = Way(f"restart {number}", first, self.effort.steps, None, wide)
                    found.append(self._score(self._descend(way, self.threat)))
                self.flags += doubts.restarts(found)
        except GradientProblem as problem:
            self.flags.append(Flag("gradient", str(problem)))


def noise_frames(video: Video, clean: Frames, threat: Threat, seed: int = 0) -> list[Frame]:
    """The baseline of a threat: a corner of its box, drawn uniformly. It depends on no model."""
    indices = sorted(threat.allowed(video))
    box = FrameBox({t: clean[t] for t in indices}, threat.budget, "cpu")
    return with_point(clean, box, box.corner(_rng(video, threat, seed, "corner")))


def _rng(video: Video, threat: Threat, seed: int, *stream: object) -> np.random.Generator:
    key = (threat.label, VERSION, seed, video.dataset, video.name, *stream)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key_entropy(*key))))
