"""Where compiled kernels are stored, and whether they exist: known without importing the compiler.

Compiling takes seconds, loading stored kernels half a second; numpy scores a small folder in less than that. The
kernels are stored in the user's cache folder (an installed package may be read-only) under a key of everything they
depend on: their sources, the versions of Python and numba, the processor.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from robust_vos_bench.system.cache import cache_folder
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


def _processor() -> str:
    """A text that changes with the instruction set, as compiled code does."""
    with suppress(OSError):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            head = file.read(8192)
        lines = [line for line in head.splitlines() if line.startswith(("model name", "flags", "Features", "CPU part"))]
        if lines:
            return "\n".join(lines[:2])
    return platform.processor()


@functools.cache
def folder() -> Path:
    """Cache folder of exactly these kernels on this machine (`RVOS_BENCH_CACHE`, else the user's cache folder)."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    facts = (sys.version, importlib.metadata.version("numba"), platform.machine(), _processor())
    digest.update("\0".join(facts).encode())
    return cache_folder() / "kernels" / digest.hexdigest()[:24]


def ready() -> bool:
    """Whether the kernels were compiled and stored before, so that loading them is quick."""
    return (folder() / READY).is_file()


@functools.cache
def storable() -> bool:
    """Whether kernels can be stored, so that another process finds them."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder()).close()  # raises where the folder is read-only
    except OSError:
        return False
    return True


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


def _store(dispatcher: Any) -> None:
    """Point numba's function cache of `dispatcher` at our folder; no cache where that is not possible.

    Uses numba's private cache classes: with a numba that changed them, kernels are compiled again in each process.
    """
    if not storable():
        return
    try:
        from numba.core import caching

        class Locator(caching._CacheLocator):
            def __init__(self, py_func: Any, py_file: str) -> None:
                self._py_file = py_file
                self._lineno = py_func.__code__.co_firstlineno

            def get_cache_path(self) -> str:
                return str(folder())

            def get_source_stamp(self) -> str:
                return folder().name

            def get_disambiguator(self) -> str:
                return str(self._lineno)

            @classmethod
            def from_function(cls, py_func: Any, py_file: str) -> Any:
                return cls(py_func, py_file)

        class Implementation(caching.CompileResultCacheImpl):
            _locator_classes = [Locator]  # noqa: RUF012

        class Store(caching.FunctionCache):
            _impl_class = Implementation

        make_store: Any = Store  # its constructor has no types
        dispatcher._cache = make_store(dispatcher.py_func)
    except (OSError, ImportError, AttributeError, TypeError, RuntimeError):
        return


def kernel(signature: Any) -> Callable[[_Function], Any]:
    """Decorator: compile for one signature, or load what was compiled before."""
    import numba

    tell_of_compiling()

    def wrap(function: _Function) -> Any:
        dispatcher = numba.njit(nogil=True, boundscheck=False)(function)
        _store(dispatcher)
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
