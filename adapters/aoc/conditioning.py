"""The conditioning block (AOC-Net): a code from the object, the other objects and the proxies calibrates its map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cfbi_line.slot_head import others, pooled

READINGS = ("strict", "inclusive", "map")
"""How the block is read where the published code cannot run; names and shapes of the parameters are the same.

strict: locations that score above the k-th best are kept (k - 1 of them), the other objects' discrepancy is a vector.
inclusive: the k-th is kept too. map: strict, and the discrepancy is the un-pooled map, itself selected from.
"""

BETA = 0.3
"""Share of the locations that are kept."""


def discrepancy(x: Tensor) -> Tensor:
    """What the other slots look like: the mean embeddings of all but one's own, summed; N x C x H x W -> N x C."""
    return others(pooled(x))


class ConditioningLayer(nn.Module):
    """Linear layer over the mean of the locations that score highest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.phi_layer = nn.Conv2d(channels, 1, 1)
        self.mlp_layer = nn.Linear(channels, channels)

    def forward(self, z: Tensor, beta: float = BETA, inclusive: bool = False) -> Tensor:
        """N x D x H x W -> N x D. The mean divides by all H W locations, however many are kept."""
        pixels = z.flatten(2)
        weight = self.phi_layer.weight.flatten(1).expand(len(z), 1, -1)
        assert self.phi_layer.bias is not None
        scores = torch.bmm(weight, pixels)[:, 0] + self.phi_layer.bias
        kth = scores.topk(max(1, int(beta * scores.shape[1])), dim=1).values[:, -1:]
        keep = scores >= kth if inclusive else scores > kth
        return self.vector(torch.bmm(pixels, keep[:, :, None].to(z.dtype))[:, :, 0] / scores.shape[1])

    def vector(self, z: Tensor) -> Tensor:
        """N x D -> N x D: the layer on a map of one location, which is always kept."""
        out: Tensor = self.mlp_layer(z)
        return out


class ConditioningBlock(nn.Module):
    """x (1 + tanh(code)), the code made from the slot itself, the other slots and the slot's proxy vector."""

    def __init__(self, channels: int, vector: int = 400, reading: str = "strict") -> None:
        super().__init__()
        self.CL_1 = ConditioningLayer(channels)
        self.CL_2 = ConditioningLayer(channels)
        self.CL_3 = ConditioningLayer(vector)
        self.mlp_layer = nn.Linear(2 * channels + vector, channels)
        self.reading = reading

    def code(self, x: Tensor, vector: Tensor) -> Tensor:
        """The condition code before tanh, N x C; x N x C x H x W, vector N x V."""
        own = self.CL_1(x, BETA, self.reading == "inclusive")
        if self.reading == "map":
            others = self.CL_2(x.sum(0, keepdim=True) - x)
        else:
            others = self.CL_2.vector(discrepancy(x))
        out: Tensor = self.mlp_layer(torch.cat([own, others, self.CL_3.vector(vector)], 1))
        return out

    def factor(self, x: Tensor, vector: Tensor) -> Tensor:
        """1 + tanh(code), the factor of each channel, N x C x 1 x 1."""
        return (1 + torch.tanh(self.code(x, vector)))[:, :, None, None]

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """N x C x H x W, N x V -> N x C x H x W."""
        return x * self.factor(x, vector)
