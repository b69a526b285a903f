"""A session whose frames are tensors: the loop of `roll_out`, borders that gradients do not pass, checkpoints.

All of it works on any session, because its state is taken apart into tensors and the rest: a copy with detached
tensors is a window border, a copy from before a frame is what the frame is computed from a second time.
"""

from __future__ import annotations

import io
import pickle
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.differentiable import Scores
from robust_vos_bench.models.torch_session import TorchSession

_SHARED = (nn.Parameter, nn.Module, VOSAdapter, type, types.FunctionType, torch.device, torch.dtype)
"""What a copy of a session shares with it. Classes too: those of a file of one's own cannot be looked up by name."""


class SessionRolling:
    """A session under way (`differentiable.Rolling`)."""

    def __init__(self, session: TorchSession, video: Video, checkpointed: bool = False) -> None:
        self.session, self.video, self.checkpointed = session, video, checkpointed
        self._first, self._frame = video.first_prompt, 0

    def step(self, frame: Tensor) -> Scores | None:
        """Scores of the next frame, float32 3 x H x W in 0..255; None before the first prompt.

        Raises UsageError for a tensor of another shape or type, and after the last frame of the video.
        """
        t = self._frame
        self._check(frame, t)
        self._frame += 1
        if t < self._first:
            return None
        prompt, last = self.video.prompts.get(t), t == len(self.video) - 1
        if self.checkpointed and torch.is_grad_enabled():
            values = self._checkpointed(frame, prompt, last)
        else:
            values = self.session.score(frame, prompt, last)
        return Scores(values, tuple(self.session.ids.ids[: len(values) - 1]))

    def detach(self) -> None:
        """Let no gradient pass from later frames to those before."""
        state = State.of(self.session)
        self.session = state.session([tensor.detach() for tensor in state.tensors])

    def copy(self) -> SessionRolling:
        """A second rolling at this frame, with tensors of its own, detached."""
        state = State.of(self.session)
        session = state.session([tensor.detach().clone() for tensor in state.tensors])
        other = SessionRolling(session, self.video, self.checkpointed)
        other._frame = self._frame
        return other

    def _check(self, frame: Tensor, t: int) -> None:
        where = f"video {self.video.name!r}, frame {t}"
        if t >= len(self.video):
            raise UsageError(f"{where}: the video has {len(self.video)} frames")
        wanted = (3, *self.video.size)
        if not isinstance(frame, Tensor) or frame.dtype != torch.float32 or tuple(frame.shape) != wanted:
            found = f"{frame.dtype} {tuple(frame.shape)}" if isinstance(frame, Tensor) else type(frame).__name__
            raise UsageError(f"{where}: expected a float32 tensor of {wanted}, RGB in 0..255, got {found}")

    def _checkpointed(self, frame: Tensor, prompt: Mask | None, last: bool) -> Tensor:
        before, live = State.of(self.session), [self.session]

        def score(frame: Tensor) -> Tensor:
            # at first this video's own session, which goes on; in the backward pass a copy of what it was before
            session = live.pop() if live else before.session(before.tensors)
            return session.score(frame, prompt, last)

        values: Tensor = checkpoint(score, frame, use_reentrant=False, preserve_rng_state=False)
        return values


@dataclass(frozen=True)
class State:
    """A session taken apart."""

    structure: bytes
    """Everything but tensors, and but what is shared with other sessions."""
    tensors: list[Tensor]
    shared: list[Any]
    """The adapter, networks, functions."""

    @staticmethod
    def of(session: TorchSession) -> State:
        """Take a session apart; it is left as it is. Raises UsageError for one that holds what cannot be copied."""
        stream = io.BytesIO()
        pickler = _Pickler(stream)
        try:
            pickler.dump(session)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise UsageError(
                f"a session of {type(session).__module__}.{type(session).__qualname__} cannot be copied ({error}); "
                "window borders and checkpoints need that. Keep generators, open files and the like out of it"
            ) from error
        return State(stream.getvalue(), pickler.tensors, pickler.shared)

    def session(self, tensors: Sequence[Tensor]) -> TorchSession:
        """A session in this state, with these tensors in the place of its own."""
        made: TorchSession = _Unpickler(io.BytesIO(self.structure), tensors, self.shared).load()
        return made


class _Pickler(pickle.Pickler):
    """Leaves out tensors and what is shared, and keeps them in lists, each once."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self.tensors: list[Tensor] = []
        self.shared: list[Any] = []
        self._places: dict[int, tuple[str, int]] = {}

    def persistent_id(self, item: Any) -> tuple[str, int] | None:
        """Where the item is kept, or None for what is written."""
        if isinstance(item, Tensor) and not isinstance(item, nn.Parameter):
            kept, name = self.tensors, "tensor"
        elif isinstance(item, _SHARED):
            kept, name = self.shared, "shared"
        else:
            return None
        if id(item) not in self._places:
            self._places[id(item)] = (name, len(kept))
            kept.append(item)
        return self._places[id(item)]


class _Unpickler(pickle.Unpickler):
    """Reads only what `_Pickler` wrote in this process."""

    def __init__(self, stream: io.BytesIO, tensors: Sequence[Tensor], shared: Sequence[Any]) -> None:
        super().__init__(stream)
        self._kept: dict[str, Sequence[Any]] = {"tensor": tensors, "shared": shared}

    def persistent_load(self, place: tuple[str, int]) -> Any:
        """The item that is kept there."""
        name, index = place
        return self._kept[name][index]
