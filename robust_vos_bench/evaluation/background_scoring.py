"""Scoring in a thread: it takes masks from a short queue, so that a model on a GPU does not wait for the scorer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from robust_vos_bench.datasets.video import Mask

AHEAD = 8
"""Masks that may wait in the queue; when it is full, the model waits."""


class Receiver(Protocol):
    """Takes the masks of one video in order."""

    def __call__(self, t: int, mask: Mask) -> None:
        """Mask of frame `t`, uint8 H x W."""


class BackgroundScorer:
    """Calls `receive` for every mask in a thread of its own; leave the block to wait for the last one.

    What `receive` raises is raised here, by the next call or at the end of the block.
    """

    def __init__(self, receive: Receiver | Callable[[int, Mask], None]) -> None:
        self._receive = receive
        self._queue: queue.Queue[tuple[int, Mask] | None] = queue.Queue(AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)
        self._thread.start()

    def __call__(self, t: int, mask: Mask) -> None:
        """Queue a copy of a mask (models may reuse their buffer); waits while the queue is full."""
        if self._error is not None:
            raise self._error
        self._queue.put((t, mask.copy()))

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._receive(*item)
                except BaseException as error:  # handed on to the model's thread
                    self._error = error

    def close(self) -> None:
        """Wait until every mask is scored. Raises what the scorer raised."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> BackgroundScorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except BaseException:
            if error is None:  # else the first error is the one to report
                raise
