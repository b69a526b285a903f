"""Which corruptions there are: built in, from installed packages, from a file, or defined by the running program."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from robust_vos_bench.conditions.spec import Corruption
from robust_vos_bench.conditions.stored import stored_spec
from robust_vos_bench.errors import ContractError, UsageError
from robust_vos_bench.origin import FILE_MODULE, Origin, file_origin, load_module, split_spec
from robust_vos_bench.registry import Item, Registry

GROUP = "robust_vos_bench.corruptions"
_PACKAGE = "robust_vos_bench.corruptions"

_by_module: dict[str, dict[str, Corruption]] = {}
"""Module -> name -> what the decorator made there."""
_unpickled: dict[bytes, Corruption] = {}
"""Content of a "script" origin -> the corruption in it."""


class Named(Protocol):
    """What names a corruption and says where it comes from: a `Condition`."""

    @property
    def corruption(self) -> str: ...

    @property
    def origin(self) -> Origin | None: ...


def register(spec: Corruption) -> None:
    """Enter what the decorator made. Raises UsageError where its name belongs to another built-in corruption."""
    module = spec.function.__module__
    _by_module.setdefault(module, {})[spec.name] = spec
    if _is_built_in(module):
        for other, made in _by_module.items():
            if other != module and _is_built_in(other) and spec.name in made:
                raise UsageError(f"corruption {spec.name!r} is registered twice: in {other} and in {module}")
        return
    # Those of a file are found by its path, so that two files may use one name.
    if not module.startswith(FILE_MODULE):
        if spec.name in CORRUPTIONS.builtin():
            raise UsageError(_taken(spec, module))
        CORRUPTIONS.add(spec, _script_origin(spec))


def corruptions() -> dict[str, Corruption]:
    """All corruptions by name, sorted; heavy libraries load on first use.

    A PluginWarning names installed packages that cannot be used.
    """
    return {name: item.value for name, item in sorted(CORRUPTIONS.usable().items())}


def find_corruption(name: str) -> Corruption:
    """The corruption of that name, or of `path/to/file.py:name`; UsageError with the nearest names otherwise."""
    return CORRUPTIONS.find(name).value


def find_item(condition: Named) -> Item[Corruption]:
    """The corruption of a condition, in whatever process this is, and where it comes from.

    Raises UsageError where it is unknown or its package is not installed here.
    """
    origin, name = condition.origin, condition.corruption
    if origin is not None and origin.kind == "split":
        return Item(stored_spec(name), origin)
    if origin is None or origin.kind == "built in":
        return CORRUPTIONS.find(name)
    if origin.kind == "file":
        return Item(_in_module(load_module(origin), name, origin.place), origin)
    if origin.kind == "package":
        item = CORRUPTIONS.plugins().every_name.get(name)
        if item is None:
            raise UsageError(f"corruption {name!r} comes from {origin}, which is not installed in this environment")
        return item
    mine = CORRUPTIONS.added().get(name)
    if mine is not None and (mine.origin == origin or not origin.content):
        return mine
    if not origin.content:  # defined in a module that turned out to be an installed plug-in
        return CORRUPTIONS.find(name)
    return Item(_unpickle(origin, name), origin)


def corruption_of(condition: Named) -> Corruption:
    """`find_item` without the origin."""
    return find_item(condition).value


def origin_of(name: str) -> Origin | None:
    """Where the corruption that the running program defined under this name comes from; None for any other name."""
    item = CORRUPTIONS.added().get(name)
    return None if item is None else item.origin


def made_in(module: ModuleType) -> list[Corruption]:
    """What the decorator made in a module."""
    return list(_by_module.get(module.__name__, {}).values())


def shipped(name: str, origin: Origin | None) -> Origin | None:
    """The origin with all that another process needs. What a script or notebook defines is pickled by value."""
    if origin is None:
        origin = origin_of(name)
    if origin is None or origin.kind != "script" or origin.content:
        return origin
    import cloudpickle

    item = CORRUPTIONS.added().get(name)
    if item is None:
        return origin
    try:
        return replace(origin, content=cloudpickle.dumps(item.value))
    except Exception as error:  # whatever the objects that the function holds raise
        raise UsageError(
            f"corruption {name!r} (in {item.value.function.__module__}) cannot be sent to worker processes: "
            f"{type(error).__name__}: {error}. Give it as path/to/file.py:{name} instead"
        ) from error


def _unpickle(origin: Origin, name: str) -> Corruption:
    if origin.content not in _unpickled:
        import pickle

        try:
            found = pickle.loads(origin.content)
        except Exception as error:
            raise UsageError(
                f"corruption {name!r}, defined in {origin.place}, cannot be loaded in this process: "
                f"{type(error).__name__}: {error}. Give it as path/to/file.py:{name} instead"
            ) from error
        if not isinstance(found, Corruption):
            raise UsageError(f"corruption {name!r}, defined in {origin.place}, arrived as a {type(found).__name__}")
        _unpickled[origin.content] = found
    return _unpickled[origin.content]


def _builtin() -> Iterator[Corruption]:
    package = importlib.import_module("robust_vos_bench.corruptions")

    modules = [f"{_PACKAGE}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    for module in modules:
        importlib.import_module(module)
    found = {name: spec for module in modules for name, spec in _by_module.get(module, {}).items()}
    yield from (found[name] for name in sorted(found))


def _is_built_in(module: str) -> bool:
    return module.startswith(_PACKAGE + ".")


def _from_package(point: EntryPoint, loaded: object) -> list[Corruption]:
    if isinstance(loaded, ModuleType):
        found = made_in(loaded)
    else:
        found = [_as_corruption(one) for one in (loaded if isinstance(loaded, (list, tuple)) else [loaded])]
    if not found:
        raise ContractError("the module defines no corruption; decorate a function with @corruption(name, family)")
    for spec in found:
        mine = CORRUPTIONS.added().get(spec.name)
        if mine is not None and mine.value is spec:
            CORRUPTIONS.remove(spec.name)  # the decorator took it for a part of the running program
    return found


def _as_corruption(loaded: object) -> Corruption:
    if isinstance(loaded, Corruption):
        return loaded
    for spec in _by_module.get(getattr(loaded, "__module__", ""), {}).values():
        if spec.function is loaded:
            return spec
    raise ContractError(
        f"expected a module with corruptions, a function under @corruption, or a list of them, got {loaded!r}"
    )


def _from_file(text: str) -> Item[Corruption]:
    path, name = split_spec(text)
    origin = file_origin(path, "corruption", "path/to/file.py:name")
    spec = _in_module(load_module(origin), name, str(path))
    if spec.name in CORRUPTIONS.builtin():
        raise ContractError(_taken(spec, str(path)))
    return Item(spec, origin)


def _in_module(module: ModuleType, name: str, path: str) -> Corruption:
    """The corruption of that name, or that the function of that name was made into."""
    made = _by_module.get(module.__name__, {})
    found = getattr(module, name, None)
    for spec in made.values():
        if spec.name == name or spec.function is found:
            return spec
    if isinstance(found, Corruption):
        return found
    if callable(found):
        raise UsageError(f"{path}: {name!r} is not a corruption; decorate it with @corruption({name!r}, FAMILY)")
    raise UsageError(f"{path} has no corruption {name!r}" + (f"; it has {', '.join(made)}" if made else ""))


def _taken(spec: Corruption, where: str) -> str:
    return (
        f"{where}: {spec.name!r} is the name of a built-in corruption, and their results could not be told apart; "
        "choose another name"
    )


def _script_origin(spec: Corruption) -> Origin:
    """Known by the text of the file that defines it, else (notebooks) by the text of the function itself."""
    module: Any = sys.modules.get(spec.function.__module__)
    path = getattr(module, "__file__", None)
    if path is not None and Path(path).is_file():
        place, text = str(Path(path).absolute()), Path(path).read_bytes()
    else:
        place = spec.function.__module__
        try:
            text = inspect.getsource(spec.function).encode()
        except (OSError, TypeError):  # made by exec or in C: nothing tells one version from the next
            text = repr(spec.version).encode()
    return Origin("script", place, hashlib.sha256(text).hexdigest())


CORRUPTIONS: Registry[Corruption] = Registry(
    kind="corruption",
    group=GROUP,
    builtin=_builtin,
    names=lambda spec: (spec.name,),
    read=_from_package,
    from_file=_from_file,
    see="See `rvos-bench list corruptions`.",
    form="path/to/file.py:name",
)
"""All corruptions."""
