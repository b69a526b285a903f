"""TBD: templates bridging frames, a decoder, and nearness between cells learnt from their distance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .densenet import DenseNet
from .layers import Decoder
from .matching import Matcher, State


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
