"""Another model, and a file with the CPU seconds that it takes: the same in `rvos-bench run` and in one's own scripts.

The environment variable CHAIN_LOG names the file; a line is added for every video. Waiting for frames is not counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from robust_vos_bench import ModelCard, VOSAdapter
from robust_vos_bench.datasets import Frame, FrameSource, Mask, Video
from robust_vos_bench.models import find_entry, load_adapter


class Clocked:
    """Frames, and the CPU seconds that making them took."""

    def __init__(self, source: FrameSource) -> None:
        self.source, self.seconds = source, 0.0

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Frame]:
        frames = iter(self.source)
        while True:
            start = time.process_time()
            frame = next(frames, None)
            self.seconds += time.process_time() - start
            if frame is None:
                return
            yield frame


class Timed(VOSAdapter):
    """The model `of`, with untrained weights where it needs any."""

    card = ModelCard("timed")

    def __init__(self, checkpoint: str | None = None, device: str = "cpu", of: str = "labelprop") -> None:
        super().__init__(checkpoint, device)
        self.inner = load_adapter(of, "random" if find_entry(of).card.weights else None, device)

    def segment(self, video: Video) -> Iterator[Mask]:
        """One mask per frame."""
        frames = Clocked(video.frames)
        masks = self.inner.segment(video.with_frames(frames))
        spent = 0.0
        while True:
            start = time.process_time()
            mask = next(masks, None)
            spent += time.process_time() - start
            if mask is None:
                break
            yield mask
        with Path(os.environ["CHAIN_LOG"]).open("a") as log:
            log.write(f"{spent - frames.seconds}\n")
