"""Where compiled kernels are stored, and whether they exist: known without importing the compiler.

Compiling takes seconds, loading stored kernels half a second; numpy scores a small folder in less than that. The
kernels are stored in the user's cache folder (an installed package may be read-only) under a key of everything they
depend on: their sources, the versions of Python and numba, the processor.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from robust_vos_bench.system.kernel_store import is_storable, kernel_folder, store
from robust_vos_bench.system.waits import tell_of_compiling

SOURCES = (
    "compiled.py",
    "geometry.py",
    "machine.py",
    "fastpng/huffman.py",
    "fastpng/codes.py",
    "fastpng/runs.py",
    "fastpng/inflate.py",
    "fastpng/chunks.py",
    "fastpng/paint.py",
    "kernels.py",
)
"""Files whose text the compiled code depends on; numba itself only looks at the file of the outermost function."""
READY = "ready"
_Function = TypeVar("_Function", bound=Callable[..., Any])


@functools.cache
def folder() -> Path:
    """Cache folder of exactly these kernels on this machine (`RVOS_BENCH_CACHE`, else the user's cache folder)."""
    return kernel_folder(Path(__file__).parent / name for name in SOURCES)


def ready() -> bool:
    """Whether the kernels were compiled and stored before, so that loading them is quick."""
    return (folder() / READY).is_file()


def storable() -> bool:
    """Whether kernels can be stored, so that another process finds them."""
    return is_storable(folder())


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """The block runs in one process at a time; without a lock where the file system has none.

    Two processes may then compile the same, which costs time and nothing else: numba replaces its files as a whole.
    """
    lock = FileLock(folder() / "lock")
    try:
        lock.acquire()
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()


def mark_ready() -> None:
    """Remember that every kernel is stored; silent where the cache folder cannot be written."""
    with suppress(OSError):
        path = folder() / READY
        if not path.is_file() and path.parent.is_dir():
            path.touch()


def kernel(signature: Any) -> Callable[[_Function], Any]:
    """Decorator: compile for one signature, or load what was compiled before."""
    import numba

    tell_of_compiling()

    def wrap(function: _Function) -> Any:
        dispatcher = numba.njit(nogil=True, boundscheck=False)(function)
        store(dispatcher, folder())
        try:
            dispatcher.compile(signature)
        except Exception:  # what is stored is damaged, or cannot be written any more (a full disk)
            dispatcher = numba.njit(nogil=True, boundscheck=False)(function)
            dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return wrap


def part(function: _Function) -> Any:
    """Decorator: a function that kernels call; it is compiled into them."""
    import numba

    return numba.njit(nogil=True, boundscheck=False)(function)
