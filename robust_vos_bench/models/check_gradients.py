"""Checks of models whose card says `differentiable`: both loops agree, and gradients arrive where they have to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.findings import Report
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.differentiable import Differentiable, Scores, as_differentiable
from robust_vos_bench.system.tracebacks import whole

AGREES = "roll_out gives the masks of segment"
SAME_WITH = "the masks are the same with gradients"
FINITE = "gradients are finite"
REACH = "gradients reach every frame with a prompt"
COPY = "a video under way can be copied"
CHECKS = (AGREES, SAME_WITH, FINITE, REACH, COPY)
SHARE = 0.001
"""Share of a clip's pixels that may differ: other kernels run under gradients, and round otherwise."""


def check_gradients(adapter: VOSAdapter, report: Report, clip: Video, masks: Sequence[Mask]) -> None:
    """Add what holds to the report. masks: what `segment` gave for the clip."""
    try:
        model = as_differentiable(adapter)
        device = torch.device(adapter.device)
        with torch.no_grad():
            plain = _masks(model.roll_out(_frames(clip, device), clip), clip)
        report.add(AGREES, _difference(masks, plain))
        _backward(model, report, clip, masks, device)
        _copied(model, report, clip, device)
    except Exception as error:  # whatever the model raises is a finding, as elsewhere in `check`
        missing = next(check for check in CHECKS if check not in {f.check for f in report.findings})
        text = str(error) if isinstance(error, RvosError) else f"{type(error).__name__}: {error}"
        report.add(missing, text, traceback=whole(error))
    finally:
        report.frames += 3 * len(clip)


def _backward(model: Differentiable, report: Report, clip: Video, masks: Sequence[Mask], device: torch.device) -> None:
    """Backward passes, from all scores to all frames."""
    frames = [frame.requires_grad_() for frame in _frames(clip, device)]
    found: list[Scores | None] = list(model.roll_out(frames, clip))
    report.add(SAME_WITH, _difference(masks, _masks(found, clip)), "warning")
    costs = {t: _cost(scores) for t, scores in enumerate(found) if scores is not None}
    if not all(cost.requires_grad for cost in costs.values()):
        t = next(t for t, cost in costs.items() if not cost.requires_grad)
        if t not in clip.prompts:
            report.add(REACH, f"the scores of frame {t} pass no gradient to any frame; is there a `detach()` or NumPy?")
            return
    every = torch.stack([cost for cost in costs.values() if cost.requires_grad]).sum()
    gradients = torch.autograd.grad(every, frames, retain_graph=True, allow_unused=True)
    broken = [t for t, g in enumerate(gradients) if g is not None and not bool(torch.isfinite(g).all())]
    report.add(
        FINITE,
        f"that of frame {broken[0]} holds NaN or Inf; look for 0 * log 0, for the root or the norm of 0, and for a "
        "division by 0 that torch.where hides"
        if broken
        else "",
    )
    unreached, unseen = [], []
    for t in sorted(clip.prompts):
        later = [cost for u, cost in costs.items() if u > t]
        if later and not any(_seen(found[u]) for u in costs if u > t and u not in clip.prompts):
            unseen.append(t)
        elif later:  # of frame t itself only what is remembered of it may count
            (gradient,) = torch.autograd.grad(torch.stack(later).sum(), frames[t], retain_graph=True, allow_unused=True)
            if gradient is None or not bool((gradient != 0).any()):
                unreached.append(t)
    detail = ""
    if unreached:
        detail = (
            f"none reaches frame {unreached[0]} from later ones, though its objects are scored there: what is "
            "remembered of a frame must not be detached, written in place or passed through NumPy"
        )
    elif unseen:
        report.add(
            REACH,
            f"cannot be told for frame {unseen[0]}: no object is seen in any later frame without a prompt (each has "
            "one score for the whole picture, which depends on nothing); check with trained weights",
            "warning",
        )
        return
    report.add(REACH, detail)


def _seen(scores: Scores | None) -> bool:
    """Whether the scores of any object differ from pixel to pixel. A model that calls an object absent gives it one
    constant score, with a true derivative of zero."""
    if scores is None:
        return False
    objects = scores.values.detach()[1:].flatten(1)
    return bool((objects.amax(1) != objects.amin(1)).any())


def _cost(scores: Scores) -> Tensor:
    return torch.log_softmax(scores.values.float(), 0)[1:].mean()


def _copied(model: Differentiable, report: Report, clip: Video, device: torch.device) -> None:
    """A copy and its original go on alike, one after the other."""
    with torch.no_grad():
        frames = _frames(clip, device)
        rolling = model.rolling(clip)
        for t in range(clip.first_prompt + 1):
            rolling.step(frames[t])
        other = rolling.copy()
        rest = frames[clip.first_prompt + 1 :]
        pairs = list(zip([rolling.step(frame) for frame in rest], [other.step(frame) for frame in rest]))
    differs = any(a is None or b is None or not torch.equal(a.values, b.values) for a, b in pairs)
    detail = "the copy gives other scores than its original; does a session write into what it shares with others?"
    report.add(COPY, detail if differs else "")


def _frames(clip: Video, device: torch.device) -> list[Tensor]:
    return [
        torch.from_numpy(np.ascontiguousarray(np.asarray(frame).transpose(2, 0, 1))).float().to(device)
        for frame in clip.frames
    ]


def _masks(scores: Iterable[Scores | None], clip: Video) -> list[Mask]:
    nothing = np.zeros(clip.size, np.uint8)
    return [nothing if each is None else each.mask() for each in scores]


def _difference(expected: Sequence[Mask], found: Sequence[Mask]) -> str:
    if len(expected) != len(found):
        return f"{len(found)} frames come back of {len(expected)}"
    different = [int((a != b).sum()) for a, b in zip(expected, found)]
    pixels = sum(mask.size for mask in expected)
    if sum(different) <= SHARE * pixels:
        return ""
    first = next(t for t, n in enumerate(different) if n)
    return f"{sum(different)} of {pixels} pixels differ, at first {different[first]} of frame {first}"
