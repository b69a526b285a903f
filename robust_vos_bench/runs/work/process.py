"""Hygiene of worker processes: threads, signals, environment, and leaving with the parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robust_vos_bench.system.libraries import explained_imports

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Environment of a worker process: one thread per library, so that processes times threads are the cores."""


def limit_threads(threads: int) -> None:
    """Cap the threads of OpenCV, and of torch where it is loaded; one thread also keeps results repeatable."""
    with explained_imports():
        import cv2

    cv2.setNumThreads(threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def leave_with_parent(scratch: Path | None = None) -> None:
    """Watch the parent process from a thread: when it is gone, remove `scratch` and exit at once."""
    parent, started_by = os.getppid(), multiprocessing.parent_process()

    def watch() -> None:
        # Windows goes on naming a parent that is gone; what started this process can be waited for there.
        while os.getppid() == parent and (os.name == "posix" or started_by is None or started_by.is_alive()):
            time.sleep(1.0)
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def no_ctrl_c() -> Iterator[None]:
    """Processes started in this block never receive SIGINT, not even while they import; this one gets it afterwards.

    Does nothing where signals cannot be blocked (Windows); there they ignore SIGINT once they work.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # started later, it would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def plain_main() -> Iterator[None]:
    """Hide the `__main__` file while processes start: a spawned process must not run the caller's script again."""
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
