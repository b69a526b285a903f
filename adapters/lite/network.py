"""What every lite network offers, to training (batches) and to inference (batches of one) alike."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from .trunk import Maps, Trunk


class LiteNetwork(nn.Module):
    """A trunk, and a memory that the subclass defines.

    One frame goes through `encode`, `segment` (against the memory) and `remember` (under its labels); the first one
    through `encode` and `remember` only. The number of slots (background and objects) may grow between frames.
    """

    trunk: Trunk
    keeps_predictions = False
    """Predicted frames become references, too (of a training clip: the second, half of the time)."""

    def encode(self, image: Tensor) -> Any:
        """B x 3 x H x W, RGB 0..1, sides 16 n + 1 -> what the network keeps of the frames alone."""
        return self.describe(self.trunk(image))

    @abstractmethod
    def describe(self, maps: Maps) -> Any:
        """Encoder maps -> what the other methods take as `features`."""

    @abstractmethod
    def part(self, features: Any, chosen: slice) -> Any:
        """Some samples of a batch of features."""

    @abstractmethod
    def memory(self, limit: int | None = None) -> Any:
        """An empty memory of at most `limit` reference frames (those with given masks always stay)."""

    @abstractmethod
    def segment(self, features: Any, memory: Any, slots: int) -> Tensor:
        """Logits B x slots x h x w at stride 4, background first; may note in `memory` what the next frame needs."""

    @abstractmethod
    def remember(
        self,
        features: Any,
        memory: Any,
        labels: Tensor,
        slots: int,
        reference: bool,
        given: bool,
        uncertain: Tensor | None = None,
    ) -> None:
        """Store a frame under its labels (B x H x W at input size) as the previous one, and as a reference if asked.

        given: the labels hold a mask that was given, not predicted; such a frame is always a reference. uncertain:
        bool B x H x W, pixels that a reference shall not count for any slot (AOC-Net; the others take no notice).
        """

    def disguise(self, memory: Any, identities: Tensor) -> None:
        """Training only: run slots of a batch under other identities (B x slots); for networks that know any."""


UNCERTAIN = 255
"""The label of a pixel that belongs to no slot."""


DISTINCT = 3
"""Identities that training draws from; objects that `aot.lite` tells apart in one memory."""


def trained(network: nn.Module) -> dict[str, Tensor]:
    """The state_dict as it is stored: contiguous copies on the CPU."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}


def full(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits at input size, float32 B x slots x H x W, of a network whose padded input is 4 (h - 1) + 1 high."""
    height, width = (4 * (n - 1) + 1 for n in logits.shape[-2:])
    whole = torch.nn.functional.interpolate(logits.float(), (height, width), mode="bilinear", align_corners=True)
    return whole[..., : size[0], : size[1]]
