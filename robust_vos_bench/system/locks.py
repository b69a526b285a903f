"""One writer per folder, and one process that makes what several need: file locks that end with their process."""

from __future__ import annotations

import contextlib
import errno
import inspect
import os
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from robust_vos_bench.errors import RvosError
from robust_vos_bench.system.atomic import write_error

_NO_LOCKS = frozenset(
    getattr(errno, name)
    for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "ENOTTY", "EINVAL")
    if hasattr(errno, name)
)
"""What file systems without locks answer (some network shares and user-space file systems)."""
_PLAIN: dict[str, Any] = (
    {"fallback_to_soft": False} if "fallback_to_soft" in inspect.signature(FileLock).parameters else {}
)
"""Newer versions of filelock would put up a marker that outlives a machine; the note below says the same and more."""


@contextlib.contextmanager
def exclusive(path: Path, busy: Callable[[str], RvosError] | None = None) -> Iterator[None]:
    """Hold the lock file `path` within this block; its folder must exist. A killed process gives its lock back.

    busy: makes the error to raise where another process holds the lock; it is told who ("pid 7 on host since ...").
    None waits for the other process instead.

    Where the file system knows no locks, a warning names the folder and the block runs without one. With `busy`, a
    live process of this machine that has left its note beside the lock file still counts as the holder; a process of
    another machine cannot be seen, and the warning names it. Raises WriteError, naming the file, where it cannot be
    created.
    """
    lock = FileLock(path, **_PLAIN)
    held = True
    try:
        lock.acquire(timeout=-1 if busy is None else 0)
    except Timeout:
        if busy is None:  # cannot be: it waits for as long as it takes
            raise
        raise busy(_holder(path)) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise write_error(path, error) from error
        held = False
        holder = _holder(path) if busy is not None else ""
        if busy is not None and _is_alive(holder):
            raise busy(f"{holder}; if that is another program by now, delete {_note_path(path)}") from None
        noted = f" The last one there ({holder}) did not end, or still writes." if "pid" in holder else ""
        warnings.warn(
            f"{path.parent}: its file system has no file locks; do not run two commands on this folder at once.{noted}",
            stacklevel=3,
        )
    try:
        if busy is not None:
            _note(path, f"pid {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        yield
    finally:
        if busy is not None:
            _note(path, "")
        if held:
            lock.release()


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _note(path: Path, text: str) -> None:
    """Tell others who holds the lock; a note that cannot be written costs nothing but that."""
    with contextlib.suppress(OSError):
        if text:
            _note_path(path).write_text(text, encoding="utf-8")
        else:
            _note_path(path).unlink()


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return _note_path(path).read_text(encoding="utf-8").strip() or "unknown holder"
    return "unknown holder"


def _is_alive(holder: str) -> bool:
    """Whether a note names another process of this machine that runs; False where that cannot be told."""
    found = re.match(r"pid (\d+) on (\S+) since ", holder)
    if found is None or os.name != "posix" or found[2] != socket.gethostname() or int(found[1]) == os.getpid():
        return False  # on Windows os.kill would end the process that it asks for
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # it runs, as somebody else
    return True
