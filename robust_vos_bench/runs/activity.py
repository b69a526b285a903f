"""What the workers of a run are doing at this moment, for whoever shows it; no result depends on it.

A worker writes into memory that it shares with the process that started it. There is no message and no lock: writing
takes less than a microsecond, nobody waits for a reader, and a worker that is killed while it writes holds nobody up.
"""

from __future__ import annotations

import ctypes
import multiprocessing
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

TEXT = 120
"""Bytes of a text."""


class Pulse(Protocol):
    """One worker: the frames of its unit, and what it does. Written by the worker, read by others at any time."""

    def says(self, text: str) -> None:
        """What the worker does now."""

    def frame(self, count: int) -> None:
        """So many frames of the unit at hand are segmented; 0 where a unit ends."""

    def read(self) -> tuple[int, str]:
        """(frames, text) of this moment."""


class MemoryPulse:
    """A pulse in memory; shared: in memory that a process which is started with it can write to."""

    def __init__(self, shared: bool = False) -> None:
        self._frames: Any = ctypes.c_longlong(0)
        self._text: Any = ctypes.create_string_buffer(TEXT)
        if shared:
            context = multiprocessing.get_context("spawn")
            try:
                self._frames, self._text = context.RawValue("q", 0), context.RawArray("c", TEXT)
            except OSError:  # no room for shared memory: the run goes on, and nobody hears of this worker
                self._frames, self._text = 0, b""

    def says(self, text: str) -> None:
        """What the worker does now; cut where it is too long."""
        if not isinstance(self._text, bytes):
            self._text.value = text.encode("utf-8", "replace")[: TEXT - 1]

    def frame(self, count: int) -> None:
        """So many frames of the unit at hand are segmented."""
        if not isinstance(self._frames, int):
            self._frames.value = count

    def read(self) -> tuple[int, str]:
        """(frames, text) of this moment; of a text that is being written, a part of either."""
        if isinstance(self._frames, int):
            return 0, ""
        return int(self._frames.value), bytes(self._text.value).decode("utf-8", "ignore")


@dataclass
class Activity:
    """All workers of a run."""

    workers: int = 1
    """How many work at once, as far as is known."""
    doing: str = ""
    """What the process that hands out work waits for, while no worker has anything to say."""
    pulses: list[Pulse] = field(default_factory=list)

    def frames(self) -> int:
        """Frames of the units that are being worked on."""
        return sum(pulse.read()[0] for pulse in list(self.pulses))

    def text(self) -> str:
        """What is being done: what most workers do, and how many others there are."""
        texts = Counter(text for pulse in list(self.pulses) if (text := pulse.read()[1]))
        if not texts:
            return self.doing
        text, _ = texts.most_common(1)[0]
        others = sum(texts.values()) - texts[text]
        return f"{text} +{others}" if others else text
