"""Worker processes of one machine: a lane is one process on one device that works through groups."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from robust_vos_bench.runs.plan import Group, Plan

PRODUCER_DIED = 75
"""Exit status of a lane whose producer died."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Environment of a worker process: processes times threads = cores."""


@dataclass
class Lane:
    """The parent's end of one worker process."""

    process: BaseProcess
    pipe: Connection
    device: str
    depth: int
    """How many groups it is given at a time: more than one where frames are made ahead."""
    scratch: Path
    """Its folder for clips; gone when it has left."""
    groups: deque[Group] = field(default_factory=deque)
    """What it was given and has not finished; of the first, only the models that have not reported yet."""

    @property
    def has_room(self) -> bool:
        """Whether it may be given another group."""
        return len(self.groups) < self.depth and self.process.is_alive()

    def give(self, group: Group) -> None:
        """Hand it a group."""
        self.groups.append(group)
        with contextlib.suppress(OSError):  # it died: the group goes back to the queue when that is noticed
            self.pipe.send(group)

    def reported(self, model: int) -> None:
        """One model of the first group is done."""
        rest = tuple(m for m in self.groups[0].models if m != model)
        if rest:
            self.groups[0] = replace(self.groups[0], models=rest)
        else:
            self.groups.popleft()

    def stop(self, now: bool = False) -> None:
        """Ask it to leave (it finishes what it has), or end it at once."""
        if now:
            self.process.kill()
        else:
            with contextlib.suppress(OSError):
                self.pipe.send(None)
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def start_lane(plan: Plan, device: str, folder: Path, producers: int = 0) -> Lane:
    """Start one worker process; each library in it uses one thread, so that processes times threads = cores."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    scratch = Path(tempfile.mkdtemp(prefix="rvos-lane-"))
    with environment(ONE_THREAD), plain_main(), no_ctrl_c():
        process = context.Process(target=_work, args=(theirs, plan, device, folder, producers, scratch))
        process.daemon = not producers  # one that makes frames ahead has children of its own, which daemons may not
        process.start()
    theirs.close()
    return Lane(process, ours, device, 3 if producers else 1, scratch)


def _work(pipe: Connection, plan: Plan, device: str, folder: Path, producers: int, scratch: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    leave_with_parent(scratch)
    limit_threads(1)
    from robust_vos_bench.runs.work import Worker

    worker = Worker(plan, device, folder, producers, scratch)
    queue: deque[Group | None] = deque()
    with contextlib.suppress(EOFError, BrokenPipeError), _leaving_without_producers():
        while True:
            while not queue or pipe.poll():
                group = pipe.recv()
                queue.append(group)
                if group is not None:
                    worker.expect(group)
            if (group := queue.popleft()) is None:
                break
            for result in worker.run(group):
                pipe.send(result)
    worker.close()


def limit_threads(threads: int) -> None:
    """Cap the threads of OpenCV, and of torch where it is loaded; one thread also keeps results repeatable."""
    import cv2

    cv2.setNumThreads(threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def leave_with_parent(scratch: Path | None = None) -> None:
    """Watch the parent process from a thread: when it is gone, remove `scratch` and leave at once."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _leaving_without_producers() -> Iterator[None]:
    """Where a producer died (killed for memory, say) this process leaves too: the parent starts both anew."""
    try:
        yield
    except BrokenProcessPool:
        os._exit(PRODUCER_DIED)


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes that start within this block; afterwards they are as before."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def no_ctrl_c() -> Iterator[None]:
    """Processes started in this block never get SIGINT, not even while they import; here it waits for the end."""
    resource_tracker.ensure_running()  # it would lift the block when the first process starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def plain_main() -> Iterator[None]:
    """Spawned processes must not run the caller's script again: hide its `__main__` file while they start."""
    main: Any = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if main is None or file is None:
        yield
        return
    main.__spec__ = None
    del main.__file__
    try:
        yield
    finally:
        main.__spec__, main.__file__ = spec, file
