"""Loss and gradient of the frames of a window, through the model's own loop."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust_vos_bench.attacks.apgd import Value
from robust_vos_bench.attacks.lattice import Box, FrameBox, as_tensor, rounded
from robust_vos_bench.attacks.losses import LOSSES, loss_of
from robust_vos_bench.attacks.scores import Judge
from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.differentiable import Differentiable, Rolling

TELLING = 20.0
"""Points of J&F from which on a gradient of zero at a frame says something of the model: where an object is all but
lost, the few pixels that are still right may hang on other frames."""


class GradientProblem(Exception):
    """A search cannot go on: its gradient is not finite, or says nothing of a frame that matters."""


@dataclass(frozen=True)
class Window:
    """A part of a video that is searched at once: frames before `start` are fixed, those from `end` on are not read."""

    start: int
    end: int

    def __contains__(self, t: int) -> bool:
        return self.start <= t < self.end


def windows_of(threat: Threat, video: Video, horizon: int, length: int) -> list[Window]:
    """The windows of a search, in order. horizon: predicted frames after each prompt at which a search over `prompt`
    looks; length: predicted frames of a window otherwise. 0 is the whole video for both.

    Prompts that come within the horizon of an earlier one are searched together with it. The first window begins with
    the first prompt, so that prompted frame and first predictions are never apart.
    """
    total, first = len(video), video.first_prompt
    if threat.frames == "prompt":
        starts = sorted(video.prompts)
        found: list[Window] = []
        for t in starts:
            end = min(total, t + 1 + horizon) if horizon else total
            if found and t < found[-1].end:
                found[-1] = Window(found[-1].start, end)
            else:
                found.append(Window(t, end))
        return found
    start = first if threat.frames != "one" else max(first, min(threat.allowed(video)))
    if not length:
        return [Window(start, total)]
    if threat.frames == "one":
        return [Window(start, min(total, start + 1 + length))]
    cuts = [start, *range(first + 1 + length, total, length), total]
    return [Window(a, b) for a, b in itertools.pairwise(cuts) if a < b]


class Seen(NamedTuple):
    """What a pass over windows gives beside its loss and gradient."""

    value: Value
    score: float
    """J&F in points of the scored frames of the windows."""


class Objective:
    """Loss, gradient and score at a point of a box.

    fixed: all frames of the video as they are where the box does not change them. windows: the first one's beginning
    is where the roll-out starts; at the borders between them gradients are cut, so that memory stays bounded.
    draws: passes that are averaged, for models that draw.
    """

    def __init__(
        self,
        model: Differentiable,
        video: Video,
        judge: Judge,
        box: Box,
        fixed: Sequence[Frame],
        windows: Sequence[Window],
        loss: str,
        device: str,
        checkpointed: bool = False,
        draws: int = 1,
    ) -> None:
        self.judge, self.box, self.windows, self.draws = judge, box, windows, draws
        self.loss = LOSSES[loss]
        self.passes = 0
        self._changing = frozenset(box.indices)
        within = {t for w in windows for t in range(w.start, w.end)}
        self._tensors = {t: as_tensor(fixed[t], device) for t in within - self._changing}
        self._scored = {t for t in judge.frames if any(t in w for w in windows)}
        self._prompts = frozenset(video.prompts)
        self._checked = False
        self._begin: Rolling = model.rolling(video, checkpointed=checkpointed)
        with torch.no_grad():
            for t in range(windows[0].start):
                self._begin.step(as_tensor(fixed[t], device))

    @property
    def scored(self) -> bool:
        """Whether any frame of the windows counts."""
        return bool(self._scored)

    def __call__(self, point: Tensor) -> Seen:
        """Raises GradientProblem."""
        losses, scores = [], []
        gradient = torch.zeros_like(point)
        for _ in range(self.draws):
            loss, masks = self._pass(point, gradient)
            losses.append(loss)
            scores.append(self.judge.some(masks))
        if not self._checked and sum(scores) / self.draws >= TELLING:
            self._check_all_frames(gradient, masks)
            self._checked = True
        return Seen(Value(sum(losses) / self.draws, gradient / self.draws), sum(scores) / self.draws)

    def _pass(self, point: Tensor, gradient: Tensor) -> tuple[float, dict[int, Mask]]:
        """Adds to the gradient; returns the loss and the masks of the scored frames."""
        self.passes += 1
        leaf = point.detach().clone().requires_grad_(True)
        rolling = self._begin.copy()
        total, masks = 0.0, {}
        for window in self.windows:
            found = []
            with torch.enable_grad():
                values = rounded(leaf)
                for t in range(window.start, window.end):
                    scores = rolling.step(self.box.frame(values, t) if t in self._changing else self._tensors[t])
                    truth = self.judge.truth(t) if t in self._scored else None
                    if scores is None or truth is None:
                        continue
                    masks[t] = scores.mask()
                    loss = loss_of(self.loss, scores, truth)
                    if loss.numel():
                        found.append(loss)
            if found:
                here = torch.stack(found).sum() / len(self._scored)
                total += float(here.detach())
                if here.requires_grad:
                    (part,) = torch.autograd.grad(here, leaf, allow_unused=True)
                    if part is not None:
                        gradient += part
            rolling.detach()
        if not (torch.isfinite(gradient).all() and abs(total) < float("inf")):
            raise GradientProblem("not finite")
        return total, masks

    def _check_all_frames(self, gradient: Tensor, masks: Mapping[int, Mask]) -> None:
        """Raise GradientProblem where a frame has no gradient, though a scored frame at or after it, in the same
        window, shows an object that the model still finds."""
        alive = [t for t, mask in masks.items() if self._finds(t, mask)]
        if not isinstance(self.box, FrameBox):
            if alive and not bool(gradient.any()):
                raise GradientProblem("zero everywhere")
            return
        for i, t in enumerate(self.box.indices):
            first = t + 1 if t in self._prompts else t  # what a prompt shows is constant in its own frame
            later = any(first <= other for other in alive if any(t in w and other in w for w in self.windows))
            if later and not bool(gradient[i].any()):
                raise GradientProblem(f"zero at frame {t}")

    def _finds(self, t: int, mask: Mask) -> bool:
        truth = self.judge.truth(t)
        return truth is not None and bool(((mask == truth) & (truth > 0) & (truth < 255)).any())
