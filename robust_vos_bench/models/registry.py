"""Which models there are: built in, installed by others (entry points), or a class in a file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import ContractError, RvosError, UsageError, unknown
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.card import ModelCard, ModelEntry
from robust_vos_bench.models.checkpoint import RANDOM, find_checkpoint, have_weights
from robust_vos_bench.models.global_state import random_state_kept
from robust_vos_bench.models.options import REQUIRED, adapter_class, class_options, unknown_option

GROUP = "robust_vos_bench.adapters"


@lru_cache(maxsize=1)
def builtin_entries() -> dict[str, ModelEntry]:
    """Entries of every folder under `adapters/`: each light `__init__` lists its own in `MODELS` (no torch there).

    In alphabetical order of the folders; a folder that holds several families, and none of its own name (`memory`),
    has each in the place of its own name.
    """
    from robust_vos_bench import adapters

    groups: dict[str, list[ModelEntry]] = {}
    for module in pkgutil.iter_modules(adapters.__path__):
        models = getattr(importlib.import_module(f"{adapters.__name__}.{module.name}"), "MODELS", ())
        families = {entry.card.family for entry in models}
        for entry in models:
            groups.setdefault(module.name if module.name in families else entry.card.family, []).append(entry)
    return {entry.name: entry for name in sorted(groups) for entry in groups[name]}


@lru_cache(maxsize=1)
def plugin_entries() -> dict[str, ModelEntry]:
    """Entries that installed packages offer; a plug-in is a `ModelEntry` list or a class with a `card`.

    A class goes by the name on its card, as everywhere else; an entry point of another name is an alias of it.
    """
    found: dict[str, ModelEntry] = {}
    owners: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        try:
            loaded = point.load()
        except (Exception, SystemExit) as error:
            raise ContractError(
                f"plug-in {point.name!r} ({point.value}) cannot be imported: {error}. Mend or uninstall that package."
            ) from error
        if isinstance(loaded, type) and issubclass(loaded, VOSAdapter):
            card = card_of(loaded)
            offered = [ModelEntry(card, point.value, aliases=(point.name,) if point.name != card.name else ())]
        elif isinstance(loaded, (list, tuple)) and all(isinstance(e, ModelEntry) for e in loaded):
            offered = list(loaded)
        else:
            raise ContractError(
                f"plug-in {point.name!r} ({point.value}) is neither a VOSAdapter class nor a list of ModelEntry"
            )
        for entry in offered:
            for name in _names(entry):
                if name in owners:
                    raise ContractError(
                        f"plug-ins {owners[name]} and {point.name!r} ({point.value}) both have a model {name!r}; "
                        "rename or uninstall one"
                    )
                owners[name] = f"{point.name!r} ({point.value})"
            found[entry.name] = entry
    return found


def _names(entry: ModelEntry) -> list[str]:
    """Everything that users may type for a model, each once."""
    return list(dict.fromkeys((entry.name, *entry.aliases)))


def card_of(adapter: type[VOSAdapter]) -> ModelCard:
    """The card of a class, or a ContractError that says how to give it one."""
    card = getattr(adapter, "card", None)
    if not isinstance(card, ModelCard):
        raise ContractError(f'{adapter.__name__} has no card: set `card = ModelCard("{adapter.__name__.lower()}")`')
    return card


def entries() -> dict[str, ModelEntry]:
    """All models by name, built-in ones first; a plug-in must not take a built-in name or alias."""
    builtin, plugins = builtin_entries(), plugin_entries()
    taken = {name: entry for entry in builtin.values() for name in _names(entry)}
    for entry in plugins.values():
        for name in _names(entry):
            if name in taken:
                raise ContractError(
                    f"plug-in model {entry.name!r} ({entry.target}) takes the name {name!r} of the built-in model "
                    f"{taken[name].name!r}; rename the plug-in"
                )
    return {**builtin, **plugins}


def find_entry(name: str) -> ModelEntry:
    """The entry of a name, an alias, or `path/to/file.py:Class`. Raises UsageError with the nearest names."""
    if ".py:" in name:
        return _entry_from_file(name)
    # Built-in names first: a broken plug-in must not stop them.
    for known in (builtin_entries, entries):
        every = known()
        if name in every:
            return every[name]
        for entry in every.values():
            if name in entry.aliases:
                return entry
    names = [*every, *(alias for entry in every.values() for alias in entry.aliases)]
    raise unknown("model", name, names, "See `rvos-bench list models`.")


def _entry_from_file(spec: str) -> ModelEntry:
    path_text, _, class_name = spec.rpartition(":")
    path = Path(path_text).expanduser()
    if not path.is_file():
        raise UsageError(f"model file {str(path)!r} does not exist (expected path/to/file.py:Class)")
    folder = str(path.resolve().parent)
    module_name = f"rvos_bench_file_{path.stem}_{hashlib.sha256(folder.encode()).hexdigest()[:8]}"
    if folder not in sys.path:
        sys.path.append(folder)  # modules beside the file can be imported, last of all
    module_spec = importlib.util.spec_from_file_location(module_name, path)
    if module_spec is None or module_spec.loader is None:
        raise UsageError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script that calls exit() would end the command as if all were well
        raise ContractError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, VOSAdapter)):
        classes = [n for n, c in vars(module).items() if inspect.isclass(c) and c.__module__ == module_name]
        raise UsageError(
            f"{path} has no VOSAdapter class {class_name!r}" + (f"; it has {', '.join(classes)}" if classes else "")
        )
    card = card_of(found)
    if card.name in builtin_entries():
        raise ContractError(
            f"{path}: the card of {class_name} has the name {card.name!r} of a built-in model, and their results could "
            "not be told apart; choose another name"
        )
    return ModelEntry(card, f"{module_name}:{class_name}")


@dataclass(frozen=True)
class Choice:
    """The model that a name stands for here and now."""

    entry: ModelEntry
    instead: str = ""
    """One line for the user where a bare family name stands for the family's lite model; otherwise empty."""


def choose(name: str, checkpoint: str | Path | None = None) -> Choice:
    """The model of a name: its own, or, for a bare family name, perhaps the family's lite reference model.

    That is so where no checkpoint is given, no weights of the family's default variant are found, and those of the
    lite model are part of this installation. Raises UsageError for an unknown name.
    """
    entry = find_entry(name)
    if checkpoint is not None or name != entry.card.family or have_weights(entry.card):
        return Choice(entry)
    lite = builtin_entries().get(f"{name}.lite")
    if lite is None or not have_weights(lite.card):
        return Choice(entry)
    line = (
        f"--model {name}: no weights of {entry.card.title or entry.name} found, so this runs {lite.name}, our reduced "
        "reference model; --checkpoint FILE runs the paper's"
    )
    return Choice(lite, line)


def load_adapter(name: str, checkpoint: str | Path | None = None, device: str = "auto", **options: Any) -> VOSAdapter:
    """Build a model ready to segment.

    name: as `rvos-bench list models` prints it, or `file.py:Class`. checkpoint: a file, "random" for deterministic
    recipe weights, or None to look in the usual places. device: "auto", "cpu", "cuda", "cuda:1".
    A bare family name may stand for the family's lite model (see `choose`); a UserWarning says so.
    Raises UsageError, WeightsError, MissingExtraError.
    """
    choice = choose(name, checkpoint)
    if choice.instead:
        warnings.warn(choice.instead, stacklevel=2)
    entry = choice.entry
    refuse_needless(entry, checkpoint)
    found = find_checkpoint(entry.card, checkpoint)
    made_of = adapter_class(entry)
    known = class_options(made_of)
    for option in options:
        if option not in known:
            raise unknown_option(entry.name, option, {n: o for n, o in known.items() if n not in entry.options})
    required = [n for n, o in known.items() if o.default is REQUIRED and n not in {**entry.options, **options}]
    if required:
        raise UsageError(f"model {entry.name!r} needs the option {required[0]!r}: --option {required[0]}=VALUE")
    merged = {**entry.options, **options}
    try:
        with random_state_kept():  # networks draw initial weights that the checkpoint then replaces
            adapter = made_of(checkpoint=found, device=resolve_device(device), **merged)
    except (RvosError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        detail = " ".join(str(error).split()) or "no message"
        raise RvosError(f"model {entry.name!r} cannot be built: {type(error).__name__}: {detail}") from error
    if getattr(adapter, "card", None) is not entry.card:
        adapter.__dict__["card"] = entry.card
    return adapter


def refuse_needless(entry: ModelEntry, checkpoint: str | Path | None) -> None:
    """Raise UsageError for a checkpoint given to a built-in model that has no weights: it would be recorded as used."""
    given = checkpoint is not None and str(checkpoint) != RANDOM
    if given and not entry.card.weights and builtin_entries().get(entry.name) is entry:
        raise UsageError(f"model {entry.name!r} has no weights; leave --checkpoint {str(checkpoint)!r} out")


def resolve_device(device: str) -> str:
    """ "auto" becomes "cuda" where torch sees a GPU, else "cpu"; other words pass through."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
