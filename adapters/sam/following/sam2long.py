"""SAM2Long (Ding et al., ICCV 2025, arXiv:2410.16268): a tree of memory paths. Our reading of the paper.

Several hypotheses are followed at once. Each offers three masks per frame; of all, the best by the sum of the
logarithms of predicted IoU go on, or, where no path is sure, the best of those that differ. Each path reads frames on
which its own mask was good, and memory of frames with a higher presence weighs more. Numbers as in the authors'
settings (Mark12Ding/SAM2Long). Their output is traced back from the path that is best at the end of the video; here,
frame by frame, it is the mask of the path that is best now.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..stages import Candidates, Features, Reading, Stages
from .plain import Entry
from .selected import Selected

GOOD = 0.1
"""Predicted IoU above which a frame is read later, where the object is present too."""
SURE = 2.0
"""Absolute logit of presence above which a frame is certain."""
WEIGHTS = (0.95, 1.05)
"""Of the keys of the frame with the lowest and the highest presence."""


@dataclass
class Path:
    """One hypothesis."""

    score: float
    """Sum of the logarithms of predicted IoU."""
    past: dict[int, Entry]
    """Its own frames."""


@dataclass(frozen=True)
class Branch:
    """One mask that a path offers."""

    path: int
    mask: int
    score: float
    signed: float
    """Predicted IoU, negative where the object is not present."""


class Sam2Long(Selected):
    """paths: hypotheses that go on, 3 as published."""

    def __init__(self, stages: Stages, length: int, frame: tuple[int, int], paths: int) -> None:
        super().__init__(stages, length, frame)
        self.width = paths
        self.paths: list[Path] = []

    def good(self, entry: Entry) -> bool:
        """Whether a frame is worth reading later."""
        return entry.quality > GOOD and entry.score > 0

    def reading(self) -> Reading:
        """What this frame reads on the path at hand, with weights."""
        plain = super().reading()
        frames = self.chosen()
        if not frames:
            return plain
        seen = [10.0] * len(self.given)
        maps = [*seen, *(self.past[t].score for t in frames[-(self.rows - 1) :])]
        pointers = [*seen, *(self.past[t].score for t in frames[:0:-1][: self.span - 1])]
        return Reading(plain.maps, plain.pointers, plain.span, (weights(maps), weights(pointers)))

    def step(self, features: Features) -> Tensor:
        """Follow all paths to the next frame; the logits of the best, 1 x 4g x 4g."""
        if not self.paths:
            logits = super().step(features)
            # Until here there was one hypothesis.
            self.paths = [Path(0.0, dict(self.past)) for _ in range(self.width)]
            return logits
        self.now += 1
        found = self._decoded(features)
        taken = branches(found, [path.score for path in self.paths], self.width)
        entries: dict[tuple[int, int], Entry] = {}
        paths = []
        for branch in taken:
            # Paths that are the same so far stay the same object, so that nothing is computed twice.
            key = (id(found[branch.path]), branch.mask)
            if key not in entries:
                entries[key] = self.entry(features, found[branch.path], branch.mask)
            self.past = {**self.paths[branch.path].past, self.now: entries[key]}
            self.forget()
            paths.append(Path(branch.score, self.past))
        self.paths = paths
        first = taken[0]
        return found[first.path].masks[first.mask : first.mask + 1]

    def _decoded(self, features: Features) -> list[Candidates]:
        """What each path offers."""
        known: dict[tuple[int, ...], Candidates] = {}
        found = []
        for path in self.paths:
            self.past = path.past
            key = tuple(id(path.past[t]) for t in sorted(path.past))
            if key not in known:
                known[key] = self.stages.decode(features, self.stages.attend(features, self.reading()))
            found.append(known[key])
        return found


def weights(scores: list[float]) -> list[float]:
    """Evenly spaced weights, the lowest for the lowest score."""
    spaced = np.linspace(*WEIGHTS, len(scores))
    found = np.empty(len(scores))
    found[np.argsort(scores, kind="stable")] = spaced
    return [float(each) for each in found]


def branches(found: list[Candidates], scores: list[float], width: int) -> list[Branch]:
    """The masks that go on, best first. found: what each path offers. scores: of the paths so far.

    Where all paths are unsure whether the object is there, masks whose predicted IoU is the same in two digits count
    once; where too few are left, paths that have none among them give their best.
    """
    offered = []
    for i, (each, score) in enumerate(zip(found, scores)):
        for j, quality in enumerate(each.quality.tolist()):
            signed = quality if float(each.score) > 0 else -quality
            offered.append(Branch(i, j, score + float(np.log(quality + 1e-5)), signed))
    offered.sort(key=lambda branch: branch.score, reverse=True)
    if max(abs(float(each.score)) for each in found) > SURE:
        return offered[:width]
    taken: list[Branch] = []
    for branch in offered:
        if len(taken) < width and round(branch.signed, 2) not in {round(each.signed, 2) for each in taken}:
            taken.append(branch)
    for i in range(len(found)):
        if len(taken) < width and all(each.path != i for each in taken):
            taken.append(next(branch for branch in offered if branch.path == i))
    return taken
