"""Where the time goes: how long a model waits for its frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from robust_vos_bench.datasets.video import Frame, FrameSource


class TimedFrames:
    """A frame source that records how long its consumer waits for each frame.

    on_wait: told True where a wait begins and False where it ends.
    """

    def __init__(self, frames: FrameSource, on_wait: Callable[[bool], None] | None = None) -> None:
        self._frames = frames
        self._on_wait = on_wait or (lambda waits: None)
        self.waits: list[tuple[float, float]] = []
        """(start, seconds) of every wait, `time.perf_counter()` clock."""

    @property
    def seconds(self) -> float:
        """Sum of all waits."""
        return sum(seconds for _, seconds in self.waits)

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        iterator = iter(self._frames)
        while True:
            self._on_wait(True)
            start = time.perf_counter()
            try:
                frame = next(iterator)
            except StopIteration:
                return
            finally:
                self.waits.append((start, time.perf_counter() - start))
                self._on_wait(False)
            yield frame
