"""Base of streaming adapters that run a torch network: building, weights, device, precision."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint, StreamingAdapter
from robust_vos_bench.models.checkpoint import RANDOM, load_strict, read_state


class TorchAdapter(StreamingAdapter):
    """A `StreamingAdapter` around one network in `self.network`, in eval mode on `self.device`.

    Subclasses implement `build` (the bare network) and `recipe` (deterministic weights by name), and call the
    network under `self.precision()`. amp: run in the device's half precision; off by default, so that CPU and GPU
    agree.
    """

    def __init__(
        self, checkpoint: Checkpoint = None, device: str = "cpu", *, amp: bool = False, **options: Any
    ) -> None:
        super().__init__(checkpoint, device, **options)
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError(f"device {device!r} was asked for, but torch sees no GPU; use --device cpu")
        self.amp = amp
        network = self.build()
        if checkpoint == RANDOM:
            fill_by_recipe(network, self)
        elif checkpoint is not None:
            self.load(network, Path(checkpoint))
        self.network = network.eval().requires_grad_(False).to(device)

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with the variant's shapes and no particular weights."""

    def recipe(self, name: str, shape: tuple[int, ...]) -> NDArray[np.floating] | None:
        """Deterministic values for the tensor `name`, or None to leave it; the family's published-test weights."""
        raise UsageError(f"{type(self).__name__} has no recipe weights (--checkpoint random)")

    def load(self, network: nn.Module, path: Path) -> None:
        """Load a checkpoint strictly; families override it where the official layout needs care."""
        load_strict(network, read_state(path), str(path))

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """No gradients; autocast on a GPU where `amp` was asked for."""
        with torch.no_grad(), torch.autocast(self.device.split(":")[0], enabled=self.amp):
            yield


def fill_by_recipe(network: nn.Module, adapter: TorchAdapter) -> None:
    """Overwrite every entry of the network's state_dict with the adapter's recipe."""
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        values = adapter.recipe(name, tuple(tensor.shape))
        state[name] = tensor if values is None else torch.from_numpy(np.asarray(values)).to(tensor.dtype)
    network.load_state_dict(state)
