"""What this process waits for just now (a compiler, a large file, a cluster), for whoever shows it.

Code that may take long says so, `with waiting("compiling kernels"):`, and need not know who listens. Nobody has to.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

COMPILING = "compiling kernels (once per machine)"
Hears = Callable[[str], None]
"""Is told what the process waits for, "" where for nothing more; from any thread."""

_listeners: list[Hears] = []
_stack: list[str] = []
_lock = threading.Lock()
_compiler: list[Any] = []


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is waited for within this block; an inner block comes before an outer one."""
    with _lock:
        _stack.append(what)
    _tell()
    try:
        yield
    finally:
        with _lock:
            _stack.remove(what)
        _tell()


@contextlib.contextmanager
def heard_by(listener: Hears) -> Iterator[None]:
    """Within this block `listener` is told of every wait of this process."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _tell() -> None:
    now = _stack[-1] if _stack else ""
    for listener in list(_listeners):
        listener(now)


def tell_of_compiling() -> None:
    """From now on, in this process, a compilation by numba is a wait. Does nothing where numba is not loaded, or is one
    whose events are others; those of the present one are said to be experimental."""
    if _compiler or "numba" not in sys.modules:
        return
    try:
        from numba.core import event

        class Compiling(event.Listener):  # type: ignore[misc,unused-ignore]
            """One wait, however many functions are compiled in one another."""

            def __init__(self) -> None:
                self.open: list[Any] = []

            def on_start(self, _: Any) -> None:
                wait = waiting(COMPILING)
                wait.__enter__()
                self.open.append(wait)

            def on_end(self, _: Any) -> None:
                if self.open:
                    self.open.pop().__exit__(None, None, None)

        listener = Compiling()
        register: Any = event.register
        register("numba:compile", listener)
        _compiler.append(listener)
    except (ImportError, AttributeError, TypeError):
        return
