"""AFB-URR: the calls that its loop makes per frame, and the one function that it takes of torch_scatter."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import torch
from ours import image_tensor

from peers.stm_line.checkout import Frame, filled, one_hot


class AfbUrr:
    """AFB-URR's loop for DAVIS: segment, remember, update the banks."""

    def __init__(self) -> None:
        def scatter_mean(source: torch.Tensor, index: torch.Tensor, dim: int, out: torch.Tensor) -> torch.Tensor:
            counts = torch.zeros(out.shape[1]).index_add_(0, index[0], torch.ones(index.shape[1]))
            return out.index_add_(dim, index[0], source).div_(counts.clamp(min=1))

        scatter = types.ModuleType("torch_scatter")
        scatter.scatter_mean = scatter_mean  # type: ignore[attr-defined]
        sys.modules["torch_scatter"] = scatter
        self.banks = importlib.import_module("model").FeatureBank
        self.network: Any = filled(importlib.import_module("model").AFB_URR(torch.device("cpu"), update_bank=True))

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """A channel per object, background first."""
        objects = one_hot(mask)
        self.before = torch.cat([1 - objects.sum(0, keepdim=True), objects])[None]
        self.image, self.time = image_tensor(frame, "cpu"), 0
        self.bank = self.banks(1 + len(objects), 300_000, "cpu", update_rate=0.1, thres_close=0.95)

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        keys, values = self.network.memorize(self.image, self.before)
        if self.time:
            self.bank.update(keys, values, self.time)
        else:
            self.bank.init_bank(keys, values)
        self.image = image_tensor(frame, "cpu")
        self.before = torch.softmax(self.network.segment(self.image, self.bank)[0], 1)
        self.time += 1
        return self.before[0].argmax(0).to(torch.uint8).numpy()
