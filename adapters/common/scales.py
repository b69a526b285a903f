"""Scales of test-time augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robust_vos_bench.errors import UsageError


def checked_scales(scales: Sequence[float] | float) -> tuple[float, ...]:
    """One or several factors of a frame's size, as a tuple. Raises UsageError for anything but positive numbers."""
    given: Sequence[Any] = scales if isinstance(scales, (tuple, list)) else [scales]
    try:
        factors = tuple(float(factor) for factor in given)
    except (TypeError, ValueError):
        factors = ()
    if not factors or not min(factors) > 0:
        raise UsageError(f"scales {scales!r}: give one or more positive factors")
    return factors
