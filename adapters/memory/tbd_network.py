"""The network of TBD (Cho et al. 2022): templates of an object and its background, their scores, and a decoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.densenet import DenseNet


class Conv(nn.Module):
    """A convolution under the name `conv`."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x outputs x h x w."""
        found: Tensor = self.conv(x)
        return found


class ConvRelu(Conv):
    """A convolution and a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x h x w -> N x outputs x h x w."""
        return F.relu(self.conv(x))


class Deconv(nn.Module):
    """A transposed convolution under the name `deconv`."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(256, 2, kernel, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x 256 x h x w -> N x 2 x stride h x stride w."""
        found: Tensor = self.deconv(x)
        return found


class Attention(nn.Module):
    """A convolution, then attention over channels and over space."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.conv1 = Conv(width, width, 3)
        self.conv2 = nn.Sequential(ConvRelu(width, width, 1), Conv(width, width, 1))
        self.conv3 = nn.Sequential(ConvRelu(2, 16, 3), Conv(16, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        """N x width x h x w -> the same shape."""
        x = self.conv1(x)
        mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self.conv2(mean) + self.conv2(largest))
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.conv3(pooled))


class Decoder(nn.Module):
    """Scores and the last masks -> two logits per pixel; features of the image enter at three sizes."""

    def __init__(self) -> None:
        super().__init__()
        for level, (inputs, extra) in enumerate(((1024, 12), (512, 2), (256, 2)), start=1):
            self.add_module(f"conv{level}", ConvRelu(inputs, 256, 1))
            self.add_module(f"blend{level}", ConvRelu(256 + extra, 256, 3))
            self.add_module(f"cbam{level}", Attention())
            self.add_module(f"deconv{level}", Deconv(6 if level == 3 else 4, 4 if level == 3 else 2))

    def sides(self, features: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        """Features of stride 16, 8 and 4 -> 256 channels each; the same for all objects."""
        return [self._part("conv", level)(feature) for level, feature in enumerate(features, start=1)]

    def forward(self, sides: list[Tensor], scores: Tensor) -> Tensor:
        """Scores with the last masks, 1 x 12 x h x w -> 1 x 2 x 16h x 16w."""
        x = scores
        for level, side in enumerate(sides, start=1):
            blended = self._part("blend", level)(torch.cat([side, x], 1))
            x = self._part("deconv", level)(self._part("cbam", level)(blended))
        return x

    def _part(self, name: str, level: int) -> Any:
        return self.get_submodule(f"{name}{level}")


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
    out: Tensor = x / x.norm(dim=-1, keepdim=True)
    return out


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


class VOS(nn.Module):
    """The parts that see images."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = DenseNet()
        self.matcher = Matcher()
        self.decoder = Decoder()


class TBD(nn.Module):
    """TBD (Cho et al. 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.vos = VOS()
        self.dsf = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())

    def nearness(self, height: int, width: int) -> Tensor:
        """How much one cell counts for another, hw x hw: a learnt function of their distance in cells."""
        device = next(self.parameters()).device
        rows = torch.arange(height, device=device, dtype=torch.float32).repeat_interleave(width)
        columns = torch.arange(width, device=device, dtype=torch.float32).repeat(height)
        squares = (rows[:, None] - rows).square() + (columns[:, None] - columns).square()
        near: Tensor = self.dsf(squares.sqrt().view(-1, 1))
        return near.view(height * width, -1)

    def segment(self, sides: list[Tensor], key: Tensor, nearness: Tensor, state: State) -> Tensor:
        """Soft masks of one object, 2 x H x W, not yet aggregated."""
        scores = self.vos.matcher.scores(state, key, nearness)
        logits = self.vos.decoder(sides, torch.cat([scores, state.before[None]], 1))
        return torch.softmax(logits, 1)[0]


def shares(masks: Tensor) -> Tensor:
    """Odds-ratio aggregation: soft masks k x 2 x H x W -> shares of background and objects, (1 + k) x H x W.

    The background's odds are those of the least background probability of any object.
    """
    least = masks[:, 0].amin(0)
    odds = masks[:, 1].clamp(1e-7, 1 - 1e-7) / masks[:, 0].clamp(1e-7, 1 - 1e-7)
    background = least.clamp(1e-7, 1 - 1e-7) / (1 - least).clamp(1e-7, 1 - 1e-7)
    every = torch.cat([background[None], odds])
    return every / every.sum(0, keepdim=True)
