"""Ctrl-C once finishes what is in flight, twice stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class Stop:
    """Set by the first Ctrl-C, and by a failure under `--fail-fast`: finish what is in flight, then leave."""

    asked: bool = False
    by_user: bool = False
    """Whether it was Ctrl-C that asked."""


@contextmanager
def ctrl_c(stop: Stop, on_first: Callable[[], None]) -> Iterator[Stop]:
    """Within this block the first SIGINT sets `stop.asked`, the second raises KeyboardInterrupt."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.by_user:
            raise KeyboardInterrupt
        stop.asked = stop.by_user = True
        on_first()

    try:
        before: Any = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not in the main thread: a notebook's own business
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
