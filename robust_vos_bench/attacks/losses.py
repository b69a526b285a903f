"""What a search raises: losses over true object pixels, from scores before the argmax. Larger is worse for the model.

`lost`: mean over object pixels of min(largest other score - own, 0), so that pixels which are lost already pull no
further. `softj`: 1 - soft Jaccard. `ce-bal`: cross-entropy by inverse class frequency. Plain cross-entropy, SegPGD and
CosPGD, which the field uses, leave several times as much J: nine pixels in ten are background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.datasets.video import Mask
from robust_vos_bench.models.differentiable import Scores

Loss = Callable[[Tensor, Tensor], Tensor]
"""(scores (1 + k) x H x W, true slots H x W int64 with -1 for pixels that do not count) -> a scalar, or an empty
tensor where the frame shows no object."""


def slots(truth: Mask, ids: tuple[int, ...], device: torch.device) -> Tensor:
    """True ids -> slots of the scores, int64 H x W; -1 for void and for objects that the model does not know yet."""
    table = np.full(256, -1, np.int64)
    table[0] = 0
    for slot, i in enumerate(ids, 1):
        table[i] = slot
    return torch.from_numpy(table[truth]).to(device)


def lost(values: Tensor, target: Tensor) -> Tensor:
    """See above; every object counts alike. In -inf..0, 0 where no object pixel is right."""
    own, other = _own_and_other(values, target)
    margin = (other - own).clamp(max=0)
    return _by_object(margin, target, values.shape[0])


def softj(values: Tensor, target: Tensor) -> Tensor:
    """1 - soft Jaccard, mean over the objects that the frame shows. In 0..1."""
    shares = values.softmax(0)
    counts = target >= 0
    found = []
    for slot in range(1, values.shape[0]):
        true = (target == slot).to(values.dtype)
        if not bool(true.any()):
            continue
        share = shares[slot] * counts
        both = (share * true).sum()
        found.append(1 - both / (share.sum() + true.sum() - both))
    return torch.stack(found).mean() if found else values.new_zeros(0)


def ce_balanced(values: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, mean by class (background and the objects shown), then over classes."""
    entropy = torch.nn.functional.cross_entropy(values[None], target[None], ignore_index=-1, reduction="none")[0]
    shown = [slot for slot in range(values.shape[0]) if bool((target == slot).any())]
    if not any(shown):
        return values.new_zeros(0)
    return torch.stack([entropy[target == slot].mean() for slot in shown]).mean()


LOSSES: Mapping[str, Loss] = {"lost": lost, "softj": softj, "ce-bal": ce_balanced}
"""Word -> loss."""


def loss_of(loss: Loss, scores: Scores, truth: Mask) -> Tensor:
    """The loss of one frame; empty where the frame shows no object that the model knows."""
    if scores.values.shape[0] < 2:
        return scores.values.new_zeros(0)
    return loss(scores.values, slots(truth, scores.ids, scores.values.device))


def _own_and_other(values: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Score of the true slot and the largest other one, both H x W."""
    index = target.clamp(min=0)[None]
    own = values.gather(0, index)[0]
    return own, values.scatter(0, index, float("-inf")).amax(0)


def _by_object(pixels: Tensor, target: Tensor, count: int) -> Tensor:
    found = [pixels[target == slot].mean() for slot in range(1, count) if bool((target == slot).any())]
    return torch.stack(found).mean() if found else pixels.new_zeros(0)
