"""Frames made ahead of the device by processes of their own: decode and corrupt never make the model wait.

A clip is one scratch file: one byte per frame that says "ready", then the frames. Producers write to it and the model's
process reads from it, so that no frame is pickled; several models of a run read the same file. The number of frames
made ahead of the reader is bounded, whatever the length of the video. Plain reads and writes, no memory map: on a full
disk a write fails with a reason, while a page of a map that cannot be stored kills the process.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np

from robust_vos_bench.conditions import Condition, corrupt_video
from robust_vos_bench.datasets import Dataset, Frame, IndexableFrames, Video
from robust_vos_bench.runs.plan import Group
from robust_vos_bench.system.atomic import write_error

CHUNK = 4
"""Frames a job makes: small enough to start the model early, large enough to hide the cost of a job."""
BATCH = 16
"""The same, where they are corrupted in batches on a device."""
AHEAD = 96
"""Frames in flight: made or being made, and not yet read by the first model."""

_dataset: Dataset | None = None


class ClipFile:
    """The scratch file of one clip: `ready` flags, then frames. Every process opens it separately."""

    def __init__(self, path: Path, length: int, size: tuple[int, int], create: bool = False) -> None:
        self.path, self.length, self.shape = path, length, (*size, 3)
        self._stride = int(np.prod(self.shape))
        self._file = path.open("w+b" if create else "r+b", buffering=0)
        if create:
            self._file.truncate(length + length * self._stride)

    def write(self, t: int, frame: Frame) -> None:
        """Store frame t, then flag it. Raises WriteError where the disk is full."""
        try:
            self._put(self.length + t * self._stride, memoryview(np.ascontiguousarray(frame).reshape(-1).data))
            self._put(t, memoryview(b"\1"))
        except OSError as error:
            raise write_error(self.path, error) from error

    def _put(self, start: int, data: memoryview) -> None:
        self._file.seek(start)
        while len(data):
            data = data[self._file.write(data) :]

    def ready(self, t: int) -> bool:
        """Whether frame t can be read."""
        self._file.seek(t)
        return self._file.read(1) == b"\1"

    def read(self, t: int) -> Frame:
        """Frame t, in an array of its own."""
        frame = np.empty(self.shape, np.uint8)
        view = memoryview(frame.reshape(-1).data)
        self._file.seek(self.length + t * self._stride)
        while len(view):
            view = view[self._file.readinto(view) :]
        return frame

    def close(self, remove: bool = False) -> None:
        """Close the file. remove: delete it as well."""
        self._file.close()
        if remove:
            self.path.unlink(missing_ok=True)


def _begin(dataset: Dataset, scratch: Path | None) -> None:
    import signal

    from robust_vos_bench.runs.work.process import leave_with_parent, limit_threads
    from robust_vos_bench.system.streams import make_forgiving

    global _dataset
    _dataset = dataset
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent(scratch)
    make_forgiving()
    limit_threads(1)


def _make(path: Path, video_name: str, condition: Condition, frames: range) -> float:
    """In a producer: make some frames of a clip; returns the seconds that it took."""
    start = time.perf_counter()
    if _dataset is None:
        raise RuntimeError("a producer was not initialised")
    video = corrupt_video(_dataset.video(video_name), condition)
    clip = ClipFile(path, len(video), video.size)
    try:
        if len(frames) == len(video):
            for t, frame in enumerate(video.frames):
                clip.write(t, frame)
        elif condition.device:
            for t, frame in zip(frames, video.frames[frames.start : frames.stop]):  # type: ignore[index]
                clip.write(t, frame)
        else:
            for t in frames:
                clip.write(t, video.frames[t])  # type: ignore[index]
    finally:
        clip.close()
    return time.perf_counter() - start


class PrefetchedFrames:
    """The frame source of one clip that producers fill."""

    def __init__(self, prefetcher: Prefetcher, group: Group, video: Video) -> None:
        self._prefetcher, self._group, self._video = prefetcher, group, video
        # First, because it may raise: no file has been made yet.
        indexable = isinstance(corrupt_video(video, group.condition).frames, IndexableFrames)
        handle, name = tempfile.mkstemp(prefix="rvos-clip-", dir=prefetcher.folder)
        os.close(handle)
        self.clip = ClipFile(Path(name), len(video), video.size, create=True)
        self.jobs: list[tuple[range, Future[float]]] = []
        n = len(video)
        step = (BATCH if group.condition.device else CHUNK) if indexable else n
        self.todo = deque(range(a, min(a + step, n)) for a in range(0, n, step))
        self.read_up_to = 0

    def __len__(self) -> int:
        return self.clip.length

    @property
    def in_flight(self) -> int:
        """Frames handed to producers and not yet read."""
        return sum(len(r) for r, _ in self.jobs) - self.read_up_to

    def submit_next(self) -> None:
        """Hand the next job to the producers."""
        frames = self.todo.popleft()
        job = self._prefetcher.pool.submit(_make, self.clip.path, self._video.name, self._group.condition, frames)
        self.jobs.append((frames, job))

    def __iter__(self) -> Iterator[Frame]:
        for t in range(len(self)):
            self._prefetcher.top_up()
            while not self.clip.ready(t):
                if self.todo and not any(t in frames for frames, _ in self.jobs):
                    self.submit_next()
                self._raise_failures()
                pending = [job for frames, job in self.jobs if t in frames and not job.done()]
                if pending:
                    wait(pending, timeout=0.002, return_when=FIRST_COMPLETED)
            self.read_up_to = max(self.read_up_to, t + 1)
            yield self.clip.read(t)

    def _raise_failures(self) -> None:
        for _, job in self.jobs:
            if job.done() and job.exception() is not None:
                raise job.exception()  # type: ignore[misc]

    def close(self) -> None:
        """Drop what is not made yet and free the scratch space."""
        self.todo.clear()
        wait([job for _, job in self.jobs if not job.cancel()])  # a cancelled job never starts, so nothing to wait for
        self.clip.close(remove=True)


class Prefetcher:
    """The producers of one worker. `announce` groups as soon as they are known; they are made in that order.

    folder: where clips are kept. It belongs to this worker and is removed with it, also where it did not close.
    """

    def __init__(self, dataset: Dataset, producers: int, folder: Path | None = None, ahead: int = AHEAD) -> None:
        self.dataset, self.folder, self.ahead = dataset, folder, ahead
        self.pool = ProcessPoolExecutor(
            producers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(dataset, folder)
        )
        self._clips: deque[tuple[Group, PrefetchedFrames]] = deque()

    def announce(self, group: Group) -> None:
        """Announce a group: its frames are made when there is room."""
        self._clips.append((group, PrefetchedFrames(self, group, self.dataset.video(group.video))))
        self.top_up()

    def top_up(self) -> None:
        """Submit jobs in order while the number of frames in flight allows."""
        budget = self.ahead - sum(clip.in_flight for _, clip in self._clips)
        for _, clip in self._clips:
            while clip.todo and budget > 0:
                budget -= len(clip.todo[0])
                clip.submit_next()

    def frames(self, group: Group) -> PrefetchedFrames:
        """The frames of the group that is worked on now (usually the first one announced)."""
        place = self._place(group)
        if place is None:
            self.announce(group)
            self._clips.rotate(1)
            place = 0
        return self._clips[place][1]

    def done(self, group: Group) -> None:
        """The group is finished or failed: free its clip, whether it was taken or not."""
        place = self._place(group)
        if place is not None:
            clip = self._clips[place][1]
            del self._clips[place]
            clip.close()

    def _place(self, group: Group) -> int | None:
        return next((i for i, (expected, _) in enumerate(self._clips) if expected == group), None)

    def close(self) -> None:
        """Stop the producers."""
        while self._clips:
            self._clips.popleft()[1].close()
        self.pool.shutdown(cancel_futures=True)
