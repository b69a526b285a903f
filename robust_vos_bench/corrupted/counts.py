"""How many frames are written, told between processes without a message or a lock."""

from __future__ import annotations

import multiprocessing
from typing import Any


class FrameCounts:
    """Frames written so far of each video under each condition, in memory that worker processes write to.

    One number per task, written by whoever has the task: no lock, so that a worker that is killed holds nobody up.
    """

    def __init__(self, tasks: int) -> None:
        self._counts: Any = None
        try:
            self._counts = multiprocessing.get_context("spawn").RawArray("l", max(tasks, 1))
        except OSError:  # no room for shared memory: progress is told by whole videos
            return

    def note(self, task: int, count: int) -> None:
        """So many frames of this task are written."""
        if self._counts is not None:
            self._counts[task] = count

    def total(self) -> int:
        """Of all tasks."""
        return 0 if self._counts is None else sum(self._counts)
