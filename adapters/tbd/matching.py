"""TBD's templates of an object and its background, and their scores on a frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Conv


@dataclass(frozen=True)
class State:
    """What is known of one object; the first axis of every tensor is background, object."""

    before: Tensor
    """Soft masks of the last frame at stride 16, 2 x h x w."""
    area: Tensor
    """Sum of all soft masks so far, 2."""
    first: Tensor
    """Keys of the object's first frame under its masks, 2 x hw x C."""
    last: Tensor
    """Keys of the last frame under its masks, 2 x hw x C."""
    overall: Tensor
    """Mean template by area, 2 x C, of unit length like the next two."""
    short: Tensor
    long: Tensor


def unit(x: Tensor) -> Tensor:
    """Rows of unit length."""
    return x / x.norm(dim=-1, keepdim=True)


class Matcher(nn.Module):
    """Keys, templates and scores. short, long: how slowly the two running templates move (logits)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv(1024, 512, 1)
        self.short = nn.Parameter(torch.ones(2))
        self.long = nn.Parameter(-torch.ones(2))

    def key(self, features: Tensor) -> Tensor:
        """1 x 1024 x h x w -> unit keys hw x 512."""
        return unit(self.conv(features)[0].flatten(1).t())

    def start(self, key: Tensor, masks: Tensor) -> State:
        """The state of an object with soft or given masks 2 x H x W on a frame with this key."""
        before = F.avg_pool2d(masks[None], 16)[0]
        fine = key * before.flatten(1)[:, :, None]
        coarse = unit(fine.sum(1).clamp(min=1e-7))
        return State(before, before.sum((1, 2)), fine, fine, coarse, coarse, coarse)

    def follow(self, state: State, key: Tensor, masks: Tensor) -> State:
        """The state after one more frame."""
        new = self.start(key, masks)
        area = state.area + new.area
        return replace(
            new,
            area=area,
            first=state.first,
            overall=_blend(state.overall, new.overall, 1 - new.area / area),
            short=_blend(state.short, new.short, torch.sigmoid(-self.short)),
            long=_blend(state.long, new.long, torch.sigmoid(-self.long)),
        )

    def scores(self, state: State, key: Tensor, nearness: Tensor) -> Tensor:
        """Ten maps 1 x 10 x h x w: by cell of the first and the last frame, and by the three templates.

        nearness: hw x hw, how much a cell of the last frame counts for a cell of this one.
        """
        across = (state.first @ key.t()).amax(1)
        around = ((state.last @ key.t()) * nearness).amax(1)
        means = [template @ key.t() for template in (state.overall, state.short, state.long)]
        return torch.cat([across, around, *means]).view(1, 10, *state.before.shape[-2:])


def _blend(old: Tensor, new: Tensor, inertia: Tensor) -> Tensor:
    return unit(inertia[:, None] * old + (1 - inertia[:, None]) * new)
