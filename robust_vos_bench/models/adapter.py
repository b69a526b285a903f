"""The contract between the engine and a model: one generator method."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.card import ModelCard

Checkpoint = Path | str | None
"""A file, the word "random" (deterministic recipe weights), or None for a model without weights."""


class VOSAdapter(ABC):
    """A VOS model. Subclass it, set `card`, write `segment`; the engine does everything else.

    The engine owns decoding, corruption, palettes, timing and saving. An adapter owns resizing and normalisation,
    never reads a data set's files, never writes any, and never sees ground truth.
    """

    card: ClassVar[ModelCard]

    def __init__(self, checkpoint: Checkpoint = None, device: str = "cpu", **options: Any) -> None:
        if options:
            raise UsageError(f"model {type(self).__name__!r} has no option {', '.join(map(repr, sorted(options)))}")
        self.checkpoint = checkpoint
        self.device = device
        self.diagnostics: list[str] = []
        """Warnings about the video in hand (degenerate scores, memory limits ...); the engine collects them."""

    def begin(self, condition: str, dataset: str) -> None:  # noqa: B027 - a hook, empty on purpose
        """Called by the engine before the videos of one condition; most models ignore it.

        condition: label of the condition ("clean", "fog-3-drift"). dataset: its name ("davis2017:val"). A network must
        not look at either: a robust model does not know what is wrong with its input. It is there for `masks`,
        which reads results made elsewhere and has to know whether they were made under this condition.
        """

    @abstractmethod
    def segment(self, video: Video) -> Iterator[Mask]:
        """Yield one uint8 H x W mask per frame: original object ids, input size, in order, exactly `len(video)`."""


class StreamingAdapter(VOSAdapter):
    """Base of models that work frame by frame: write `reset` and `step`, the rest is here.

    Frames before the first prompt are background and are not sent to the model. Masks given as prompts are not
    echoed here: a model that must return the given mask on a prompt frame does so in `step`. What `reset` and `step`
    store in `self` is kept apart for every video and dropped at its end; what `__init__` made (the network) is shared.
    """

    @abstractmethod
    def reset(self, video: Video) -> None:
        """Forget everything; `video` tells name, size, length, ids and first frames (do not read its frames)."""

    @abstractmethod
    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment the next frame.

        frame: RGB uint8 H x W x 3. prompt: uint8 H x W with only the objects that first appear on this frame
        (0 = no information), or None. last: no frame follows. Returns a uint8 H x W mask of original ids.
        """

    def segment(self, video: Video) -> Iterator[Mask]:
        """Drive `reset` and `step` over the frames in order."""
        first = video.first_prompt
        session = copy.copy(self)  # videos may be segmented in turns: each has attributes of its own
        session.reset(video)
        self.diagnostics = session.diagnostics  # `reset` may have set a new list
        last = len(video) - 1
        for t, frame in enumerate(video.frames):
            if t < first:
                yield np.zeros(video.size, np.uint8)
            else:
                yield session.step(frame, video.prompts.get(t), t == last)
