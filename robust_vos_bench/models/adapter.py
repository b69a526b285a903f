"""The contract between the engine and a model: one generator method, and two bases that write it.

`VOSAdapter` asks for `segment`. `SessionAdapter` asks for an object per video, `StreamingAdapter` for two methods.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import ContractError, UsageError
from robust_vos_bench.models.bounds import check_bounds
from robust_vos_bench.models.card import ModelCard

if TYPE_CHECKING:
    from typing_extensions import Self

INHERITED = ("checkpoint", "device", "diagnostics")
"""Attributes that `VOSAdapter.__init__` sets."""
FORGOTTEN = "its __init__ has to call `super().__init__(checkpoint, device)` before anything else"

Checkpoint = Path | str | None
"""A file, the word "random" (deterministic recipe weights), or None for a model without weights."""


@dataclass(frozen=True)
class Inside:
    """A model that another one runs, in the words of `--model`, `--checkpoint` and `--option`."""

    model: str
    checkpoint: str | None = None
    options: tuple[str, ...] = ()
    option: str = "base"
    """The outer model's option that names it; `OPTION_checkpoint` is the one for its weights."""


class VOSAdapter(ABC):
    """A VOS model. Subclass it, set `card`, write `segment`; the engine does everything else.

    The engine owns decoding, corruption, palettes, timing and saving. An adapter owns resizing and normalisation,
    never reads a data set's files, never writes any, and never sees ground truth.

    Options are keyword arguments of `__init__`. One annotated `Annotated[int, msgspec.Meta(ge=1)]` is checked before
    `__init__` runs, wherever it comes from: a value out of bounds raises UsageError.

    Examples
    --------
    >>> import numpy as np
    >>> import robust_vos_bench as rvos
    >>> class Still(rvos.VOSAdapter):
    ...     card = rvos.ModelCard("still")
    ...     def segment(self, video):
    ...         mask = np.zeros(video.size, np.uint8)
    ...         for t, frame in enumerate(video.frames):
    ...             mask = np.where(video.prompts[t] > 0, video.prompts[t], mask) if t in video.prompts else mask
    ...             yield mask
    >>> sum(1 for mask in Still().segment(rvos.open_dataset("demo").video("cat")))
    12
    """

    card: ClassVar[ModelCard]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Refuse options out of bounds before anything is built."""
        check_bounds(cls, options)
        return super().__new__(cls)

    def __init__(self, checkpoint: Checkpoint = None, device: str = "cpu", **options: Any) -> None:
        if options:
            raise UsageError(f"model {type(self).__name__!r} has no option {', '.join(map(repr, sorted(options)))}")
        self.checkpoint = checkpoint
        self.device = device
        self.diagnostics: list[str] = []
        """Warnings about the video started last (degenerate scores, memory limits ...); the engine collects them."""

    @classmethod
    def settled(cls, options: Mapping[str, Any], checkpoint: Checkpoint = None) -> dict[str, Any]:
        """The options with those filled in that this machine decides (a library's version, which weights are here).

        Called when a run is planned. What it returns is recorded, part of the keys, and what every worker loads.
        """
        return dict(options)

    @classmethod
    def inside(cls, options: Mapping[str, Any], checkpoint: Checkpoint = None) -> Inside | None:
        """The model that this one runs inside, by settled options; its weights and version are part of the keys."""
        return None

    @classmethod
    def sources(
        cls, options: Mapping[str, Any], conditions: Sequence[str], videos: Sequence[str]
    ) -> Mapping[tuple[str, str], str]:
        """(condition label, video) -> digest of the files, beside the weights, that decide the masks of that unit.

        Only for a model that reads results made elsewhere, by settled options: the digests are part of the keys, so
        that files which have changed are scored anew. Raises nothing for files that are missing: the unit will.
        """
        return {}

    def begin(self, condition: str, dataset: str) -> None:  # noqa: B027 - a hook, empty on purpose
        """Called by the engine before the videos of one condition; most models ignore it.

        condition: label of the condition ("clean", "fog-3-drift"). dataset: its name ("davis2017:val"). A network must
        not look at either: a robust model does not know what is wrong with its input. It is there for `masks`,
        which reads results made elsewhere and has to know whether they were made under this condition.
        """

    @abstractmethod
    def segment(self, video: Video) -> Iterator[Mask]:
        """Yield one uint8 H x W mask per frame: original object ids, input size, in order, exactly `len(video)`."""


class Session(Protocol):
    """The state of one video, from its first prompt to its end."""

    diagnostics: list[str]
    """Warnings about this video; the engine collects them."""

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment the next frame; the first one has a prompt.

        frame: RGB uint8 H x W x 3. prompt: uint8 H x W with only the objects that first appear on this frame
        (0 = no information), or None. last: no frame follows. Returns a new uint8 H x W mask of original ids.
        """
        ...


class SessionAdapter(VOSAdapter):
    """Base of models that work frame by frame with an object per video: write `session`, the rest is here.

    The adapter holds what all videos share (the network, the options), a session what belongs to one video. Two
    videos in turns are two sessions. Frames before the first prompt are background and are not sent to the model.
    Masks given as prompts are not echoed here: a model that must return the given mask on a prompt frame does so in
    `step`.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> class First:
    ...     def __init__(self, video):
    ...         self.mask, self.diagnostics = None, []
    ...     def step(self, frame, prompt, last):
    ...         self.mask = prompt if self.mask is None else self.mask
    ...         return self.mask
    >>> class Firsts(rvos.SessionAdapter):
    ...     card = rvos.ModelCard("firsts")
    ...     def session(self, video):
    ...         return First(video)
    >>> masks = list(Firsts().segment(rvos.open_dataset("demo").video("cat")))
    >>> int(masks[0].max())
    1
    """

    @abstractmethod
    def session(self, video: Video) -> Session:
        """A fresh state. `video` tells name, size, length, ids and first frames (do not read its frames)."""

    def segment(self, video: Video) -> Iterator[Mask]:
        """Drive a session over the frames in order."""
        session = self.session(video)
        if not isinstance(getattr(session, "diagnostics", None), list):
            raise ContractError(
                f"a session of {type(self).__name__} ({type(session).__name__}) has no list `diagnostics`: write "
                "`self.diagnostics = []` in its __init__; one derived from TorchSession calls `super().__init__()`"
            )
        self.diagnostics = session.diagnostics
        first, last = video.first_prompt, len(video) - 1
        for t, frame in enumerate(video.frames):
            if t < first:
                yield np.zeros(video.size, np.uint8)
            else:
                yield session.step(frame, video.prompts.get(t), t == last)


class StreamingAdapter(SessionAdapter):
    """Base of models that keep the state of a video in attributes of their own: write `reset` and `step`.

    `segment` works on a shallow copy of the adapter, made anew for every video: `reset(video)`, then `step` for every
    frame from the first prompt on. So two videos in turns are two copies. An attribute that `reset` or `step` *assigns*
    belongs to one video; an object made in `__init__` (the network) is the same in all copies, and a model that changes
    such an object in place disturbs its other videos. For a state of several parts `SessionAdapter` is the better base.

    You may also call `reset` and `step` directly; then the adapter itself holds the state of that one video.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> class Firsts(rvos.StreamingAdapter):
    ...     card = rvos.ModelCard("firsts")
    ...     def reset(self, video):
    ...         self.mask = None
    ...     def step(self, frame, prompt, last):
    ...         self.mask = prompt if self.mask is None else self.mask
    ...         return self.mask
    >>> masks = list(Firsts().segment(rvos.open_dataset("demo").video("cat")))
    >>> len(masks), int(masks[-1].max())
    (12, 1)
    """

    @abstractmethod
    def reset(self, video: Video) -> None:
        """Forget everything; `video` tells name, size, length, ids and first frames (do not read its frames)."""

    @abstractmethod
    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment the next frame, as `Session.step`."""

    def session(self, video: Video) -> Session:
        """A shallow copy of this adapter, reset."""
        state = copy.copy(self)
        state.reset(video)
        return state
