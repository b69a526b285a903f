"""A private random state for models that draw: theirs goes on from step to step, everyone else's stays untouched."""

from __future__ import annotations

import random
from types import TracebackType
from typing import Any

import numpy as np
import torch


class ForkedRng:
    """Swaps in its own state of `random`, `numpy.random` and torch (CPU, and the given GPU) inside a `with` block.

    seed: where the private streams start. Entering again goes on where the last block stopped, so that a model which
    draws on every frame may hold one of these and wrap each step. Blocks must not nest.
    """

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        before = self._states()
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.random.default_generator.manual_seed(seed)
        if self._device.type == "cuda":
            with torch.cuda.device(self._device):
                torch.cuda.manual_seed(seed)
        self._own = self._states()
        self._restore(before)
        self._outer: tuple[Any, ...] | None = None

    def __enter__(self) -> ForkedRng:
        if self._outer is not None:
            raise RuntimeError("this ForkedRng is already in use")
        self._outer = self._states()
        self._restore(self._own)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._outer is not None
        self._own = self._states()
        self._restore(self._outer)
        self._outer = None

    def _states(self) -> tuple[Any, ...]:
        gpu = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None
        return random.getstate(), np.random.get_state(), torch.get_rng_state(), gpu

    def _restore(self, states: tuple[Any, ...]) -> None:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if states[3] is not None:
            torch.cuda.set_rng_state(states[3], self._device)
