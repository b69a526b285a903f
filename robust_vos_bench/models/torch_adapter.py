"""Base of adapters that run a torch network: building, weights, device, precision, and the loop over a video."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint, SessionAdapter
from robust_vos_bench.models.checkpoint import RANDOM, load_strict, read_state
from robust_vos_bench.models.differentiable import Scores
from robust_vos_bench.models.rolling import SessionRolling
from robust_vos_bench.models.torch_session import Seen as Seen
from robust_vos_bench.models.torch_session import TorchSession as TorchSession
from robust_vos_bench.models.untrained import Untrained


class TorchAdapter(SessionAdapter):
    """An adapter around one network in `self.network`, in eval mode and without gradients on `self.device`.

    Subclasses write `build` (the bare network) and `session` (usually a `TorchSession`). amp: run in the device's half
    precision; off by default, so that CPU and GPU agree. For a model with `reset` and `step` instead of sessions derive
    from `StreamingAdapter` first, `class Mine(StreamingAdapter, TorchAdapter)`, and step under `self.precision()`.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> model = rvos.load_adapter("aot.lite", device="cpu")
    >>> isinstance(model, rvos.TorchAdapter), model.network.training
    (True, False)
    """

    untrained: ClassVar[Untrained | None] = Untrained()
    """How the weights of `--checkpoint random` are scaled; a table of your own keeps the masks of a deep network from
    collapsing. Whole numbers (index tables, counters) keep what they are. None: `build` gives trained weights already,
    and "random" changes nothing."""

    def __init__(
        self, checkpoint: Checkpoint = None, device: str = "cpu", *, amp: bool = False, **options: Any
    ) -> None:
        super().__init__(checkpoint, device, **options)
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError(f"device {device!r} was asked for, but torch sees no GPU; use --device cpu")
        self.amp = amp
        with torch.random.fork_rng(devices=[]):  # a network without a checkpoint is the same in every process
            torch.default_generator.manual_seed(0)
            network = self.build()
        if checkpoint == RANDOM:
            if self.untrained is not None:
                fill_untrained(network, self.untrained)
        elif checkpoint is not None:
            self.load(network, Path(checkpoint))
        self.network = network.eval().requires_grad_(False).to(device)

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with the variant's shapes and no particular weights.

        Called by `__init__`: options that it needs are set before `super().__init__(checkpoint, device)`.
        """

    def load(self, network: nn.Module, path: Path) -> None:
        """Load a checkpoint strictly; families override it where the official layout needs care."""
        load_strict(network, self.official(read_state(path)), str(path))

    def official(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """An official file's tensors under the names and shapes of the network, before they are loaded strictly."""
        return state

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """No gradients; where `amp` was asked for, autocast: float16 on a GPU, bfloat16 on a CPU."""
        with torch.no_grad(), torch.autocast(self.device.split(":")[0], enabled=self.amp):
            yield

    def rolling(self, video: Video, *, checkpointed: bool = False) -> SessionRolling:
        """A fresh session whose frames are tensors (`Differentiable.rolling`). Raises UsageError for a model whose
        sessions do not have `image` and `observe`."""
        session = self.session(video)
        if not isinstance(session, TorchSession) or not session.has_steps():
            raise UsageError(
                f"model {self.card.name!r} passes no gradients: its session ({type(session).__name__}) has to be a "
                "TorchSession with `image` and `observe` (docs/your-model.md)"
            )
        return SessionRolling(session, video, checkpointed)

    def roll_out(self, frames: Iterable[Tensor], video: Video) -> Iterator[Scores | None]:
        """Scores of every frame, with the caller's gradients (`Differentiable.roll_out`)."""
        rolling = self.rolling(video)
        for frame in frames:
            yield rolling.step(frame)


def fill_untrained(network: nn.Module, untrained: Untrained) -> None:
    """Overwrite the entries of the network's state_dict with untrained weights."""
    state = network.state_dict()
    for name, tensor in state.items():
        values = untrained.values(name, tuple(tensor.shape)) if tensor.is_floating_point() else None
        if values is not None:
            state[name] = torch.from_numpy(values).to(tensor.dtype)
    network.load_state_dict(state)
