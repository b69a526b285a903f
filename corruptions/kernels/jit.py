"""Compilation of the inner loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from robust_vos_bench.system.waits import tell_of_compiling

tell_of_compiling()


def jit(function: Callable[..., Any]) -> Any:
    """Compile on first call, cached on disk where that is possible (an installation and HOME may be read-only).

    Fast-math stays off: sums keep their order and nothing is fused, so that results are equal on every CPU.
    """
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, error_model="numpy")(function)
