"""Who spent the time: the model, or the making of its frames."""

from __future__ import annotations

import time
from collections.abc import Iterator

from robust_vos_bench.datasets.video import Frame, FrameSource


class TimedFrames:
    """A frame source that adds up the seconds its consumer waits for frames."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames
        self.seconds = 0.0

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        iterator = iter(self._frames)
        while True:
            start = time.perf_counter()
            try:
                frame = next(iterator)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - start
            yield frame
