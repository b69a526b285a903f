"""The decorator that makes a corruption from a function, with the names that a file of corruptions needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from robust_vos_bench.conditions.catalogue import register
from robust_vos_bench.conditions.spec import Corruption, at_severity

__all__ = ["Corruption", "at_severity", "corruption"]

F = TypeVar("F", bound=Callable[..., Any])


def corruption(name: str, family: str, **fields: Any) -> Callable[[F], F]:
    """Decorator that makes a function the corruption `name`; fields as in `Corruption`. The function stays as it is.

    Raises UsageError for fields that do not fit together, or where the name belongs to a built-in corruption.
    """

    def enter(function: F) -> F:
        register(Corruption(name=name, family=family, function=function, **fields))
        return function

    return enter
