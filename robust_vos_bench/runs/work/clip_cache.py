"""A corrupted clip kept on disk while several models read it: made once, memory bounded."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from robust_vos_bench.datasets.video import Frame, FrameSource
from robust_vos_bench.system.atomic import write_error


class CachedClip:
    """Yields the frames of `source`; the first pass also writes them to a scratch file that later passes read.

    A pass that stops early leaves what it wrote; the next one goes on from there. Where the source failed, every later
    pass fails at the same frame with the same error.
    """

    def __init__(self, source: FrameSource, size: tuple[int, int], folder: Path | None = None) -> None:
        self._source = source
        self._shape = (*size, 3)
        self._folder = folder or Path(tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(prefix="rvos-clip-", dir=folder)  # noqa: SIM115 (closed by close())
        self._ready = 0
        self._rest: Iterator[Frame] | None = None
        self._failure: Exception | None = None

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Frame]:
        frame_bytes = int(np.prod(self._shape))
        for t in range(len(self._source)):
            if t < self._ready:
                self._file.seek(t * frame_bytes)
                yield np.frombuffer(self._file.read(frame_bytes), np.uint8).reshape(self._shape).copy()
                continue
            if self._failure is not None:  # a generator that has raised would only end
                raise self._failure
            if self._rest is None:
                self._rest = iter(self._source)
            try:
                frame = next(self._rest)
            except Exception as error:
                self._failure = error
                raise
            try:
                self._file.seek(t * frame_bytes)
                self._file.write(np.ascontiguousarray(frame).data)
                self._file.flush()
            except OSError as error:  # not the fault of the model that asks for the frame
                self._failure = write_error(self._folder / "scratch clip", error)
                raise self._failure from error
            self._ready = t + 1
            yield frame

    def close(self) -> None:
        """Free the scratch space."""
        with contextlib.suppress(OSError):  # on a full disk it fails again for what the buffer still holds
            self._file.close()

    def __enter__(self) -> CachedClip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
