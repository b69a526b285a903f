"""Labels from scores, and scores in which a given mask stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

GIVEN = 20.0
"""How far the logit of a given object is above all others: a probability of 1 in float32."""

FEW = 32
"""Slots up to which slots are compared one after the other."""


def strongest(scores: Tensor, dim: int = 0) -> Tensor:
    """Index (int64) of the largest score along `dim`, the first of equal ones: what `argmax` finds.

    On a CPU `argmax` takes 6 to 19 times as long as `max` along the first axis (11 to 2 slots at 480 x 854), and `max`
    several times as long as comparing slot by slot.
    Raises FloatingPointError where a best score is NaN or Inf: a mask made from it would mean nothing.
    """
    if scores.device.type != "cpu" or not 1 <= scores.shape[dim] <= FEW:
        best = scores.max(dim)
        refuse_not_finite(best.values)
        return best.indices
    slots = scores.detach().unbind(dim)
    highest, index = slots[0], torch.zeros_like(slots[0], dtype=torch.uint8)
    for number, slot in enumerate(slots[1:], 1):
        # equal ones stay with the first; numbers ascend, so that the larger one is the later winner
        index = torch.maximum(index, (slot > highest).view(torch.uint8) * number)
        highest = torch.maximum(highest, slot)  # of NaN and anything: NaN
    refuse_not_finite(highest)
    return index.long()


def refuse_not_finite(best: Tensor) -> None:
    """Raise FloatingPointError, with the number of pixels, where the best scores of pixels hold NaN or Inf.

    NaN passes through `max`, so that one look at the winners finds it in any channel.
    """
    if not best.is_floating_point() or not best.numel() or all(map(math.isfinite, torch.aminmax(best.detach()))):
        return
    raise not_finite(int(torch.isnan(best).sum()), int(torch.isinf(best).sum()), best.numel())


def not_finite(nan: int, infinite: int, pixels: int) -> FloatingPointError:
    """The error of scores that hold NaN or Inf."""
    what = " and ".join(word for word, number in (("NaN", nan), ("Inf", infinite)) if number)
    return FloatingPointError(
        f"the scores of {nan + infinite} of {pixels} pixels are {what}, and no mask can be made from them; the weights "
        "or the input are broken, or half precision (amp) does not suffice"
    )


def with_given(logits: Tensor | None, given: Tensor, slots: int) -> Tensor:
    """Logits of all slots, slots x H x W, whose argmax holds what a prompt shows.

    logits: (1 + n) x H x W of the slots that were matched, None on a first frame. given: H x W, slots of the objects
    that the prompt shows, 0 where it says nothing. Slots that are not among the logits win nowhere else.
    """
    shown = (given > 0)[None]
    own = F.one_hot(given.long(), slots).permute(2, 0, 1).float() * GIVEN
    if logits is None:
        return own  # what is not given is background
    below = logits.detach().amin(0, keepdim=True) - GIVEN
    rest = [below.expand(slots - len(logits), -1, -1)] if slots > len(logits) else []
    return torch.where(shown, own, torch.cat([logits, *rest]))


def without(logits: Tensor, hidden: Sequence[int]) -> Tensor:
    """Logits slots x H x W in which some slots win nowhere: their objects have not appeared yet."""
    if not hidden:
        return logits
    below = logits.detach().amin(0) - GIVEN
    chosen = torch.tensor(hidden, device=logits.device)
    return logits.index_copy(0, chosen, below.expand(len(hidden), -1, -1))
