"""One registry for models, corruptions, data sets and presets: built in, installed by others, or in a file.

Three doors lead in. Built-in items ship with rvos-bench. Installed packages offer theirs through an entry point group.
A file is named on the command line, as `path/to/file.py:name`. Where an item came from stays with it (`Origin`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from robust_vos_bench.errors import ContractError, RvosError, UsageError, unknown
from robust_vos_bench.origin import BUILT_IN, Origin, is_file_spec, misread
from robust_vos_bench.system.tracebacks import with_place

T = TypeVar("T")


class PluginWarning(UserWarning):
    """An installed plug-in cannot be used; the others and everything built in still work."""


@dataclass(frozen=True)
class Item(Generic[T]):
    """One thing that can be named, and where it comes from."""

    value: T
    origin: Origin = BUILT_IN


@dataclass(frozen=True)
class Problem:
    """A plug-in that cannot be used, or a name that two plug-ins claim."""

    names: tuple[str, ...]
    """Names that raise it when they are asked for."""
    message: str
    conflict: bool = False
    """Two items have one name: their results could not be told apart."""


@dataclass
class Plugins(Generic[T]):
    """What the installed packages offer."""

    found: dict[str, Item[T]] = field(default_factory=dict)
    """Name -> item, without the names that are in conflict."""
    every_name: dict[str, Item[T]] = field(default_factory=dict)
    """The same by every name and alias."""
    problems: list[Problem] = field(default_factory=list)


class Registry(Generic[T]):
    """All items of one kind.

    kind: the word for messages ("model"). group: the entry point group. builtin: the items that ship with rvos-bench,
    called once, when first needed. names: all names of an item, its own first. read: the items that a loaded entry
    point stands for; raises ContractError for an object of the wrong type. from_file: the item that a file stands for;
    is_file: which names are files; form: how one is written. see: where all names are listed, for errors. absent: the
    errors for names of what is known but cannot be used, unless somebody offers an item of that name.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        builtin: Callable[[], Iterable[T]],
        names: Callable[[T], Sequence[str]],
        read: Callable[[EntryPoint, object], Iterable[T]],
        from_file: Callable[[str], Item[T]],
        is_file: Callable[[str], bool] = is_file_spec,
        see: str = "",
        form: str = "",
        absent: Callable[[], Mapping[str, RvosError]] = dict,
    ) -> None:
        self.kind, self.group, self.see, self.form = kind, group, see, form
        self._make_builtin, self._names, self._read = builtin, names, read
        self._from_file, self._is_file, self._absent = from_file, is_file, absent
        self._builtin: dict[str, Item[T]] | None = None
        self._added: dict[str, Item[T]] = {}
        self._plugins: Plugins[T] | None = None
        self._warned = False

    def builtin(self) -> dict[str, Item[T]]:
        """Built-in items by name."""
        if self._builtin is None:
            self._builtin = {self._names(value)[0]: Item(value) for value in self._make_builtin()}
        return self._builtin

    def added(self) -> dict[str, Item[T]]:
        """Items that the running program itself has added, by name."""
        return self._added

    def add(self, value: T, origin: Origin) -> None:
        """Add an item of the running program; one of the same name is replaced."""
        self._added[self._names(value)[0]] = Item(value, origin)

    def remove(self, name: str) -> None:
        """Take an added item out again."""
        self._added.pop(name, None)

    def plugins(self) -> Plugins[T]:
        """What installed packages offer. Loads their entry points once; a package that fails hides no other."""
        if self._plugins is None:
            self._plugins = self._load_plugins()
        return self._plugins

    def reload_plugins(self) -> None:
        """Forget what the installed packages offered; they are asked again when next needed."""
        self._plugins, self._warned = None, False

    def items(self) -> dict[str, Item[T]]:
        """Every item by name: installed, added by this program, built in. ContractError where two have one name."""
        for problem in self.plugins().problems:
            if problem.conflict:
                raise ContractError(problem.message)
        return self.usable()

    def usable(self) -> dict[str, Item[T]]:
        """`items` without those of plug-ins that cannot be used, which a PluginWarning names, once per process."""
        plugins = self.plugins()
        if not self._warned:
            self._warned = True
            for problem in plugins.problems:
                warnings.warn(problem.message, PluginWarning, stacklevel=2)
        return {**plugins.found, **self.added(), **self.builtin()}

    def problems(self) -> list[Problem]:
        """What is wrong with plug-ins, for a caller that tells it itself; no warning follows."""
        self._warned = True
        return self.plugins().problems

    def knows(self, name: str) -> bool:
        """Whether `find` would return something for a name (files are not opened), or knows why it cannot."""
        return self.offers(name) or name in self._absent()

    def offers(self, name: str) -> bool:
        """`knows`, without the names of what cannot be used by anybody."""
        if self._is_file(name):
            return True
        for own in (self.builtin(), self.added()):
            if name in own or name in _by_every_name(own.values(), self._names):
                return True
        plugins = self.plugins()
        return name in plugins.every_name or any(p.conflict and name in p.names for p in plugins.problems)

    def every_name(self) -> list[str]:
        """Every name and alias that `find` knows, also of what cannot be used; files aside."""
        known = _by_every_name([*self.builtin().values(), *self.added().values()], self._names)
        return list(dict.fromkeys([*known, *self.plugins().every_name, *self._absent()]))

    def find(self, name: str) -> Item[T]:
        """The item of a name, an alias or a file.

        Raises UsageError with the nearest names for an unknown one, ContractError where the name belongs to a plug-in
        that cannot be used or to two plug-ins, and what `absent` has for a name.
        """
        if self._is_file(name):
            return self._from_file(name)
        # Built-in names first: whatever is wrong with a plug-in must not stop them.
        for own in (self.builtin(), self.added()):
            if (item := own.get(name) or _by_every_name(own.values(), self._names).get(name)) is not None:
                return item
        plugins = self.plugins()
        if (item := plugins.every_name.get(name)) is not None:
            return item
        for problem in plugins.problems:
            if name in problem.names:
                raise ContractError(problem.message)
        absent = self._absent()
        if name in absent:
            raise absent[name]
        self.refuse_misread(name)
        broken = " ".join(problem.message for problem in plugins.problems if not problem.conflict)
        raise unknown(self.kind, name, self.every_name(), " ".join(part for part in (self.see, broken) if part))

    def refuse_misread(self, name: str) -> None:
        """Raise UsageError, with the form to use, for a file without a name in it and for the name of a module."""
        if self.form and (advice := misread(name, self.form)):
            raise UsageError(f"unknown {self.kind} {name!r}: {advice}")

    def _checked_names(self, value: T) -> list[str]:
        """The names of an item that somebody else made. Raises ContractError where they are no names."""
        names = list(dict.fromkeys(self._names(value)))
        if not names or not all(isinstance(name, str) and name for name in names):
            raise ContractError(f"a {self.kind} is named {names!r}; names are texts")
        return names

    def _load_plugins(self) -> Plugins[T]:
        plugins: Plugins[T] = Plugins()
        offers: dict[str, list[tuple[str, Item[T]]]] = {}
        for point in sorted(entry_points(group=self.group), key=lambda p: (p.name, p.value)):
            label = _label(point)
            try:
                values = [(v, self._checked_names(v)) for v in self._read(point, point.load())]
            except RvosError as error:
                plugins.problems.append(Problem((point.name,), f"plug-in {label}: {error}"))
                continue
            except (Exception, SystemExit) as error:
                detail = with_place(" ".join(f"{type(error).__name__}: {error}".split()), error)
                message = f"plug-in {label} cannot be imported: {detail}. Fix or uninstall that package."
                plugins.problems.append(Problem((point.name,), message))
                continue
            for value, own_names in values:
                item = Item(value, Origin("package", _distribution(point)))
                for name in own_names:
                    offers.setdefault(name, []).append((label, item))
        builtin = _by_every_name(self.builtin().values(), self._names)
        taken: set[int] = set()
        for name, claims in offers.items():
            message = ""
            if name in builtin:
                (label, item), owner = claims[0], self._names(builtin[name].value)[0]
                own = self._names(item.value)[0]
                message = (
                    f"plug-in {label} has a {self.kind} {own!r} that takes the name {name!r} of the built-in "
                    f"{self.kind} {owner!r}; rename or uninstall the plug-in"
                )
            elif len(claims) > 1:
                owners = " and ".join(dict.fromkeys(label for label, _ in claims))
                message = f"plug-ins {owners} both have a {self.kind} {name!r}; rename or uninstall one"
            if message:
                names = tuple(n for _, item in claims for n in self._names(item.value))
                plugins.problems.append(Problem(names, message, conflict=True))
                taken.update(id(item) for _, item in claims)
        for name, claims in offers.items():
            for _, item in claims:
                if id(item) not in taken:
                    plugins.every_name[name] = item
                    plugins.found[self._names(item.value)[0]] = item
        return plugins


def _by_every_name(items: Iterable[Item[T]], names: Callable[[T], Sequence[str]]) -> dict[str, Item[T]]:
    """Every name and alias -> item; the first of two wins."""
    table: dict[str, Item[T]] = {}
    for item in items:
        for name in names(item.value):
            table.setdefault(name, item)
    return table


def _label(point: EntryPoint) -> str:
    distribution = _distribution(point)
    return f"{point.name!r} ({point.value}" + (f" of {distribution})" if distribution else ")")


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else ""
