"""Models of the faults part, as files of one's own: they ruin one video and behave in the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from robust_vos_bench import ModelCard, VOSAdapter
from robust_vos_bench.datasets import Mask, Video

SPOILED = "v01"


class _Still(VOSAdapter):
    """Repeats the prompt, and keeps a little memory of the device in use."""

    def __init__(self, checkpoint: str | None = None, device: str = "cpu") -> None:
        super().__init__(checkpoint, device)
        self.held: list[Any] = [torch.zeros(1 << 20, device=device)]

    def segment(self, video: Video) -> Iterator[Mask]:
        """One mask per frame; the second frame of the chosen video is the end."""
        mask = np.zeros(video.size, np.uint8)
        for t, _ in enumerate(video.frames):
            if t in video.prompts:
                mask = np.where(video.prompts[t] > 0, video.prompts[t], mask)
            if t == 1 and video.name == SPOILED:
                self.spoil()
            yield mask.copy()

    def spoil(self) -> None:
        """What goes wrong."""
        raise NotImplementedError


class Hungry(_Still):
    """Takes memory of its device until there is no more, and holds it."""

    card = ModelCard("hungry")

    def spoil(self) -> None:
        """On a CPU one request that no machine has: taking all there is would hurt others."""
        while self.device.startswith("cuda"):
            self.held.append(torch.empty(1 << 30, dtype=torch.uint8, device=self.device))
        torch.empty(1 << 55, dtype=torch.uint8)


class Ruins(_Still):
    """Ruins the GPU context of its process: an index that is out of range stops every later call."""

    card = ModelCard("ruins")

    def spoil(self) -> None:
        """On a CPU the error that torch raises then."""
        if self.device.startswith("cuda"):
            torch.zeros(4, device=self.device)[torch.tensor([99], device=self.device)].cpu()
        raise RuntimeError("CUDA error: device-side assert triggered")
