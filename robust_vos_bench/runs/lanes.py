"""Worker processes of one machine: a lane is one process on one device that works through groups."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
    group: Group | None = None
    """What it works on now."""
    waiting: tuple[int, ...] = ()
    """Models of that group that have not reported yet."""

    def give(self, group: Group) -> None:
        """Hand it a group; it must be idle."""
        self.group, self.waiting = group, group.models
        self.pipe.send(group)

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


def start_lane(plan: Plan, device: str, folder: Path, threads: int) -> Lane:
    """Start one worker process with `threads` threads for its libraries."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with _environment({name: str(threads) for name in THREAD_VARIABLES}), _plain_main():
        process = context.Process(target=_work, args=(theirs, plan, device, folder, threads), daemon=True)
        process.start()
    theirs.close()
    return Lane(process, ours, device)


def _work(pipe: Connection, plan: Plan, device: str, folder: Path, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    limit_threads(threads)
    from robust_vos_bench.runs.work import Worker

    worker = Worker(plan, device, folder)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while (group := pipe.recv()) is not None:
            for result in worker.run(group):
                pipe.send(result)


def limit_threads(threads: int) -> None:
    """Cap the threads of torch and OpenCV in this process; one thread a process also keeps results repeatable."""
    import cv2

    cv2.setNumThreads(threads)
    with contextlib.suppress(ImportError):
        import torch

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
