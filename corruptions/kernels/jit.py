"""Compilation of the inner loops."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from robust_vos_bench.system.kernel_store import kernel_folder, store
from robust_vos_bench.system.waits import tell_of_compiling

tell_of_compiling()


@functools.cache
def _folder() -> Path:
    return kernel_folder(sorted(Path(__file__).parent.glob("*.py")))


def jit(function: Callable[..., Any]) -> Any:
    """Compile on first call, kept in the cache folder where that is possible (HOME may be read-only).

    Fast-math stays off: sums keep their order and nothing is fused, so that results are equal on every CPU.
    """
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    store(dispatcher, _folder())
    return dispatcher
