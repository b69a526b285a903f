"""The levels of the refiner, from the deepest features to the shallowest, each twice as large as the one before."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def interpolated(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """N x C x h x w -> N x C x H x W, bilinear over centres of pixels; as it is where the size fits."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=False)


def conv3(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)


class Encoder(nn.Module):
    """Target segmentation encoder: features of fewer channels, and their mix with the scores."""

    def __init__(self, inputs: int, width: int, scores: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(inputs, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1))
        both = width + scores
        self.transform = nn.Sequential(
            conv3(both, both), nn.ReLU(), conv3(both, both), nn.ReLU(), conv3(both, width), nn.ReLU()
        )

    def forward(self, reduced: Tensor, scores: Tensor) -> Tensor:
        """Reduced features N x width x H x W, scores N x s x h x w -> N x width x H x W."""
        mixed: Tensor = self.transform(torch.cat([reduced, interpolated(scores, reduced.shape[-2:])], 1))
        return mixed


class ResidualBlock(nn.Module):
    """relu(h + block(h)) with h a 1 x 1 convolution of the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(width, width, 1)
        self.bblock = nn.Sequential(
            conv3(width, width), nn.BatchNorm2d(width), nn.ReLU(), conv3(width, width, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """N x width x H x W -> the same shape."""
        h = self.conv1x1(x)
        return F.relu(h + self.bblock(h))


class ChannelAttention(nn.Module):
    """Channels of a level weighted by its means and those of the level below, which is then added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convreluconv = nn.Sequential(nn.Conv2d(2 * width, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1))

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """shallow: N x width x H x W. deep: N x width x h x w. Returns N x width x H x W."""
        means = [x.mean((2, 3), keepdim=True) for x in (shallow, deep)]
        gate = torch.sigmoid(self.convreluconv(torch.cat(means, 1)))
        return shallow * gate + interpolated(deep, shallow.shape[-2:])


class Levels(nn.Module):
    """All levels.

    inputs: channels of each feature map by its name, the deepest first. widths: of the levels. scores: maps of scores.
    projected: a 1 x 1 convolution leads from each level to the next; without, all levels are equally wide.
    """

    def __init__(self, inputs: Mapping[str, int], widths: Mapping[str, int], scores: int, projected: bool) -> None:
        super().__init__()
        self.names = tuple(inputs)
        self.TSE = nn.ModuleDict({name: Encoder(inputs[name], widths[name], scores) for name in inputs})
        self.RRB1 = nn.ModuleDict({name: ResidualBlock(widths[name]) for name in inputs})
        self.CAB = nn.ModuleDict({name: ChannelAttention(widths[name]) for name in inputs})
        self.RRB2 = nn.ModuleDict({name: ResidualBlock(widths[name]) for name in inputs})
        if projected:
            self.proj = nn.ModuleDict(
                {
                    name: nn.Sequential(nn.Conv2d(widths[below], widths[name], 1), nn.ReLU())
                    for below, name in zip(self.names, self.names[1:])
                }
            )
        self.projected = projected

    def reduced(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Feature maps -> what the levels take of them. It is the same for all objects that see these features."""
        return {name: self.TSE[name].get_submodule("reduce")(features[name]) for name in self.names}

    def refined(self, scores: Tensor, reduced: Mapping[str, Tensor]) -> Tensor:
        """Scores N x s x h x w -> result of the shallowest level, N x width x H x W."""
        x: Tensor | None = None
        for name in self.names:
            h = reduced[name]
            if x is None:
                below = h.mean((2, 3), keepdim=True)
            else:
                below = self.proj[name](x) if self.projected else x
            mixed = self.TSE[name](h, scores)
            x = self.RRB2[name](self.CAB[name](self.RRB1[name](mixed), below))
        assert x is not None
        return x
