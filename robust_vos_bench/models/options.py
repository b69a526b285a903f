"""Options of a model: the keyword arguments of its constructor, typed by their annotations."""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

import msgspec

from robust_vos_bench.errors import ContractError, MissingExtraError, UsageError
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.bounds import check_bounds, option_hints
from robust_vos_bench.models.card import ModelEntry
from robust_vos_bench.system.libraries import explained
from robust_vos_bench.system.paths import user_path

RESERVED = frozenset({"self", "checkpoint", "device"})
"""Constructor arguments that have a flag of their own."""


@dataclass(frozen=True)
class Option:
    """One option: its type as annotated (`str` where nothing tells) and its default (`REQUIRED` without one).

    `Annotated[int, msgspec.Meta(ge=1)]` also says which values are allowed.
    """

    name: str
    type: Any
    default: Any

    def __str__(self) -> str:
        return self.name if self.default is REQUIRED else f"{self.name}={_shown(self.default)}"


REQUIRED = inspect.Parameter.empty


def adapter_class(entry: ModelEntry) -> type[VOSAdapter]:
    """The class an entry stands for, imported. Raises MissingExtraError where the extra it needs is not installed."""
    module_name, _, class_name = entry.target.partition(":")
    try:
        found: type[VOSAdapter] = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        if entry.card.extra:
            raise MissingExtraError(
                f"model {entry.name!r} needs {error.name!r}: pip install 'rvos-bench[{entry.card.extra}]'"
            ) from error
        raise
    except ImportError as error:
        if (clear := explained(error)) is not None:
            raise clear from error
        raise
    except SystemExit as error:
        raise ContractError(f"model {entry.name!r}: {module_name} calls exit() when it is imported") from error
    return found


def class_options(adapter: type[VOSAdapter]) -> dict[str, Option]:
    """Options over the whole class hierarchy: each `__init__` may add some and pass `**options` up."""
    found: dict[str, Option] = {}
    for init, hints in option_hints(adapter):
        for p in inspect.signature(init).parameters.values():
            if p.kind not in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) or p.name in RESERVED or p.name in found:
                continue
            guess = str if p.default in (REQUIRED, None) else type(p.default)
            found[p.name] = Option(p.name, hints.get(p.name, guess), p.default)
    return found


def entry_options(entry: ModelEntry) -> dict[str, Option]:
    """Options that a user may set: those of the class without the ones that make the variant."""
    return {n: o for n, o in class_options(adapter_class(entry)).items() if n not in entry.options}


def parse_options(entry: ModelEntry, pairs: Sequence[str]) -> dict[str, Any]:
    """`["size=480", "amp=true"]` -> `{"size": 480, "amp": True}`, typed as the model's constructor is annotated.

    Knows int, float, bool, str, Path, Literal, tuples and lists by comma, and "none" where None is allowed. The last
    of a repeated option wins. Raises UsageError, listing the options, for an unknown name or a value that does not fit.
    """
    known = entry_options(entry)
    parsed: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"option {pair!r} is not of the form NAME=VALUE")
        if name not in known:
            raise unknown_option(entry.name, name, known)
        try:
            parsed[name] = convert(text.strip(), known[name].type)
        except ValueError as error:
            raise UsageError(f"model {entry.name!r}: option {name}: {error}") from None
    check_bounds(adapter_class(entry), parsed, entry.name)
    return parsed


def unknown_option(model: str, name: str, known: dict[str, Option]) -> UsageError:
    """A UsageError for an option that the model has not, with those it has and their defaults."""
    return UsageError(
        f"model {model!r} has no option {name!r}; its options: {', '.join(map(str, known.values())) or 'none'}"
    )


def convert(text: str, kind: Any) -> Any:
    """`text` as a value of the annotation `kind`. Raises ValueError that says what was expected."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return convert(text, kind.__origin__)
    if origin in (Union, types.UnionType):
        if type(None) in inside and text.lower() == "none":
            return None
        return _first_that_fits(text, [k for k in inside if k is not type(None)])
    if origin is Literal:
        for choice in inside:
            if text == str(choice):
                return choice
        raise ValueError(f"{text!r} is not one of {', '.join(map(str, inside))}")
    if kind in (tuple, list) or origin in (tuple, list, Sequence):
        return _convert_items(text, list if (kind is list or origin is list) else tuple, inside)
    if kind is Path:
        return user_path(text)
    if kind not in EXPECTED:
        return text
    if kind is bool:
        text = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower(), text)
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise ValueError(f"{text!r} is not {EXPECTED[kind]}") from None


EXPECTED = {bool: "true or false", int: "a whole number", float: "a number"}
"""Types that msgspec reads from text, and the words for them."""


def _convert_items(text: str, container: type, inside: tuple[Any, ...]) -> Any:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not inside or inside[-1] is Ellipsis or container is list:
        kinds = [inside[0] if inside else str] * len(parts)
    else:
        kinds = list(inside)
        if len(parts) != len(kinds):
            raise ValueError(f"{text!r} has {len(parts)} values, {len(kinds)} are needed, separated by commas")
    return container(convert(part, kind) for part, kind in zip(parts, kinds))


def _first_that_fits(text: str, kinds: list[Any]) -> Any:
    # Narrow kinds first: everything is a str, every int a float.
    order = {bool: 0, int: 1, float: 2, Path: 4, str: 5}
    problems = []
    for kind in sorted(kinds, key=lambda k: order.get(_bare(k), 3)):
        try:
            return convert(text, kind)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(problems[-1])


def _bare(kind: Any) -> Any:
    return kind.__origin__ if typing.get_origin(kind) is typing.Annotated else kind


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
