"""Bounds of options: written once, as `Annotated[int, msgspec.Meta(ge=1)]` at the constructor's argument."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from numbers import Real
from typing import Any

import msgspec

from robust_vos_bench.errors import UsageError


def check_bounds(model: type, options: Mapping[str, Any], name: str = "") -> None:
    """Raise UsageError for the first option of `model` whose value is a number out of the bounds of its annotation.

    Only numbers, and numbers in lists and tuples, are looked at; other values are left to the model. name: of the model
    for the message; by default that of its card, or of the class.
    """
    bounds = option_bounds(model) if options else {}
    for option, value in options.items():
        for meta in bounds.get(option, ()):
            for number in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(number, Real) and not isinstance(number, bool) and not _fits(number, meta):
                    card = getattr(model, "card", None)
                    shown = name or (card.name if card is not None else model.__name__)
                    raise UsageError(f"model {shown!r}: option {option} is {value}; it must be {in_words(meta)}")


def below(small: str, value: float, large: str, limit: float) -> None:
    """Raise UsageError unless the option `small` is below the option `large`, which no annotation of either can say."""
    if value >= limit:
        raise UsageError(f"option {small} is {value}; it must be below {large}, which is {limit}")


def option_hints(model: type) -> Iterator[tuple[Callable[..., Any], dict[str, Any]]]:
    """Every `__init__` of a class and its bases, with its annotations resolved; {} where they cannot be."""
    for cls in model.__mro__:
        init = cls.__dict__.get("__init__")
        if init is None or cls is object:
            continue
        try:
            yield init, typing.get_type_hints(init, include_extras=True)
        except (NameError, TypeError):  # annotations that only a type checker can resolve
            yield init, {}


@lru_cache(maxsize=256)
def option_bounds(model: type) -> dict[str, tuple[msgspec.Meta, ...]]:
    """Bounds of the options of a class, by name; a subclass that annotates an option anew decides."""
    found: dict[str, tuple[msgspec.Meta, ...]] = {}
    for _, hints in option_hints(model):
        for name, hint in hints.items():
            found.setdefault(name, tuple(_metas(hint)))
    return found


def in_words(meta: msgspec.Meta) -> str:
    """ "at least 1", "above 0 and at most 1", ..."""
    parts = []
    if meta.multiple_of is not None:
        parts.append(f"a multiple of {meta.multiple_of}")
    if meta.gt is not None:
        parts.append(f"above {meta.gt}" if meta.gt else "positive")
    if meta.ge is not None:
        parts.append(f"at least {meta.ge}")
    if meta.lt is not None:
        parts.append(f"below {meta.lt}")
    if meta.le is not None:
        parts.append(f"at most {meta.le}")
    return " and ".join(parts)


def _metas(hint: Any) -> Iterator[msgspec.Meta]:
    """All bounds in an annotation: its own, and those inside unions and sequences."""
    for inside in typing.get_args(hint):
        if isinstance(inside, msgspec.Meta):
            yield inside
        else:
            yield from _metas(inside)


def _fits(number: Real, meta: msgspec.Meta) -> bool:
    """Whether a number keeps the bounds; one that is not a number (NaN) keeps none."""
    value: Any = number
    return (
        (meta.gt is None or value > meta.gt)
        and (meta.ge is None or value >= meta.ge)
        and (meta.lt is None or value < meta.lt)
        and (meta.le is None or value <= meta.le)
        and (meta.multiple_of is None or value % meta.multiple_of == 0)
    )
