"""Where functions that numba compiles are stored: in the user's cache folder, never in the package.

numba's own place is the folder of the source. That folder may be read-only, and files left there by an
uninstalled package hide the next installation. The folder's name is a digest of all that compiled code
depends on: the sources, the versions of Python and numba, the processor.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from robust_vos_bench.system.cache import cache_folder


def _processor() -> str:
    """A text that changes with the instruction set, as compiled code does."""
    with suppress(OSError):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            head = file.read(8192)
        lines = [line for line in head.splitlines() if line.startswith(("model name", "flags", "Features", "CPU part"))]
        if lines:
            return "\n".join(lines[:2])
    return platform.processor()


def kernel_folder(sources: Iterable[Path]) -> Path:
    """Folder for the functions of these files on this machine, below `RVOS_BENCH_CACHE` or the user's cache folder."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.read_bytes())
    facts = (sys.version, importlib.metadata.version("numba"), platform.machine(), _processor())
    digest.update("\0".join(facts).encode())
    return cache_folder() / "kernels" / digest.hexdigest()[:24]


@functools.cache
def is_storable(folder: Path) -> bool:
    """Whether functions can be stored there, so that another process finds them; makes the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # raises where the folder is read-only
    except OSError:
        return False
    return True


def store(dispatcher: Any, folder: Path) -> None:
    """Point numba's function cache of `dispatcher` at `folder`; no cache where that is not possible.

    Uses numba's private cache classes: with a numba that changed them, functions are compiled again in each process.
    """
    if not is_storable(folder):
        return
    try:
        from numba.core import caching

        class Locator(caching._CacheLocator):
            def __init__(self, py_func: Any, py_file: str) -> None:
                self._py_file = py_file
                self._lineno = py_func.__code__.co_firstlineno

            def get_cache_path(self) -> str:
                return str(folder)

            def get_source_stamp(self) -> str:
                return folder.name

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
