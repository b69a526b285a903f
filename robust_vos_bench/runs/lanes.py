"""Worker processes of one machine: a lane is one process on one device that works through groups."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from robust_vos_bench.runs.plan import Group, Plan

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class Lane:
    """The parent's end of one worker process."""

    process: BaseProcess
    pipe: Connection
    device: str
    depth: int
    """How many groups it is given at a time: more than one where frames are made ahead."""
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


def start_lane(plan: Plan, device: str, folder: Path, producers: int = 0) -> Lane:
    """Start one worker process; each library in it uses one thread, so that processes times threads = cores."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with _environment(dict.fromkeys(THREAD_VARIABLES, "1")), _plain_main():
        # A process that makes frames ahead has children of its own, which daemons may not have.
        process = context.Process(target=_work, args=(theirs, plan, device, folder, producers), daemon=not producers)
        process.start()
    theirs.close()
    return Lane(process, ours, device, depth=3 if producers else 1)


def _work(pipe: Connection, plan: Plan, device: str, folder: Path, producers: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    limit_threads(1)
    from robust_vos_bench.runs.work import Worker

    worker = Worker(plan, device, folder, producers)
    queue: deque[Group | None] = deque()
    with contextlib.suppress(EOFError, BrokenPipeError):
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


def _leave_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
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
def _plain_main() -> Iterator[None]:
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
