"""Which data sets there are: built in, installed by others (entry points), or in a file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

from robust_vos_bench.datasets.built_in import ENTRIES
from robust_vos_bench.datasets.entry import DatasetEntry, entry_of
from robust_vos_bench.errors import ContractError, UsageError
from robust_vos_bench.origin import file_origin, load_module, split_spec
from robust_vos_bench.registry import Item, Registry

GROUP = "robust_vos_bench.datasets"


def dataset_names() -> list[str]:
    """Every name that `open_dataset` knows, as users type them."""
    entries = [item.value for item in DATASETS.usable().values()]
    return [f"{e.family}:{s}" if s else e.family for e in entries for s in e.splits or ("",)]


def _builtin() -> Iterator[DatasetEntry]:
    yield from ENTRIES


def _from_package(point: EntryPoint, loaded: object) -> list[DatasetEntry]:
    offered = list(loaded) if isinstance(loaded, (list, tuple)) else [loaded]
    if all(isinstance(one, DatasetEntry) for one in offered):
        return [one for one in offered if isinstance(one, DatasetEntry)]
    if len(offered) == 1 and callable(offered[0]):
        return [entry_of(point.name, offered[0])]
    raise ContractError("expected a Dataset class, a function that returns one, or a list of DatasetEntry")


def _from_file(text: str) -> Item[DatasetEntry]:
    path, name = split_spec(text)
    origin = file_origin(path, "data set", "path/to/file.py:Class")
    module = load_module(origin)
    found = getattr(module, name, None)
    if isinstance(found, DatasetEntry):
        return Item(found, origin)
    if not callable(found):
        own = [n for n, c in vars(module).items() if isinstance(c, type) and c.__module__ == module.__name__]
        has = f"; it has {', '.join(own)}" if own else ""
        raise UsageError(f"{path} has no data set {name!r}{has}")
    return Item(entry_of(name, found), origin)


DATASETS: Registry[DatasetEntry] = Registry(
    kind="data set",
    group=GROUP,
    builtin=_builtin,
    names=lambda entry: (entry.family,),
    read=_from_package,
    from_file=_from_file,
    see="See `rvos-bench list datasets`.",
    form="path/to/file.py:Class",
)
"""All data sets."""
