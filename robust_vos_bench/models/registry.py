"""Which models there are: built in, installed by others (entry points), or a class in a file."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from robust_vos_bench.errors import ContractError, RvosError, UnavailableError, UsageError
from robust_vos_bench.models.adapter import FORGOTTEN, INHERITED, VOSAdapter
from robust_vos_bench.models.bounds import check_bounds
from robust_vos_bench.models.card import AbsentSystem, ModelCard, ModelEntry
from robust_vos_bench.models.checkpoint import RANDOM, find_checkpoint, have_weights
from robust_vos_bench.models.options import (
    REQUIRED,
    adapter_class,
    class_options,
    unknown_option,
)
from robust_vos_bench.models.weights import ensure_weights
from robust_vos_bench.origin import Origin, file_origin, is_file_spec, load_module, split_spec
from robust_vos_bench.registry import Item, Registry
from robust_vos_bench.system.global_state import fresh_random_state, random_state_kept
from robust_vos_bench.system.tracebacks import with_place

GROUP = "robust_vos_bench.adapters"


def builtin_entries() -> dict[str, ModelEntry]:
    """Entries of every family under `adapters/` by name."""
    return {name: item.value for name, item in MODELS.builtin().items()}


def entries() -> dict[str, ModelEntry]:
    """All models by name. Raises ContractError where two have one name or alias."""
    return {name: item.value for name, item in MODELS.items().items()}


def find_entry(name: str) -> ModelEntry:
    """The entry of a name, an alias, or `path/to/file.py:Class`.

    Raises UsageError with the nearest names, UnavailableError for a published system that cannot be run.
    """
    return MODELS.find(name).value


def model_origin(name: str) -> Origin:
    """Where the model of a name comes from; for `file.py:Class` with the text of the file."""
    return MODELS.find(name).origin


def card_of(adapter: type[VOSAdapter]) -> ModelCard:
    """The card of a class, or a ContractError that says how to give it one."""
    card = getattr(adapter, "card", None)
    if not isinstance(card, ModelCard):
        raise ContractError(f'{adapter.__name__} has no card: set `card = ModelCard("{adapter.__name__.lower()}")`')
    return card


def _builtin() -> Iterator[ModelEntry]:
    """Each light `__init__` under `adapters/` lists its own in `MODELS` (no torch there).

    In alphabetical order of the folders; a folder that holds several families, and none of its own name (`memory`),
    has each in the place of its own name.
    """
    from_folders: dict[str, list[ModelEntry]] = {}
    for module in _families():
        models = getattr(module, "MODELS", ())
        folder = module.__name__.rpartition(".")[2]
        families = {entry.card.family for entry in models}
        for entry in models:
            from_folders.setdefault(folder if folder in families else entry.card.family, []).append(entry)
    for name in sorted(from_folders):
        yield from from_folders[name]


def _families() -> list[ModuleType]:
    """The light modules under `adapters/`."""
    adapters = importlib.import_module("robust_vos_bench.adapters")
    found = pkgutil.iter_modules(adapters.__path__)
    return [importlib.import_module(f"{adapters.__name__}.{module.name}") for module in found]


def _from_package(point: EntryPoint, loaded: object) -> list[ModelEntry]:
    """A plug-in is a list of `ModelEntry`, or a class with a `card`.

    A class goes by the name on its card, as everywhere else; an entry point of another name is an alias of it.
    """
    if isinstance(loaded, type) and issubclass(loaded, VOSAdapter):
        card = card_of(loaded)
        return [ModelEntry(card, point.value, aliases=(point.name,) if point.name != card.name else ())]
    if isinstance(loaded, (list, tuple)) and all(isinstance(e, ModelEntry) for e in loaded):
        return list(loaded)
    raise ContractError("expected a VOSAdapter class or a list of ModelEntry")


def _from_file(spec: str) -> Item[ModelEntry]:
    path, class_name = split_spec(spec)
    origin = file_origin(path, "model", "path/to/file.py:Class")
    module = load_module(origin)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, VOSAdapter)):
        classes = [n for n, c in vars(module).items() if inspect.isclass(c) and c.__module__ == module.__name__]
        raise UsageError(
            f"{path} has no VOSAdapter class {class_name!r}" + (f"; it has {', '.join(classes)}" if classes else "")
        )
    card = card_of(found)
    if card.name in builtin_entries():
        raise ContractError(
            f"{path}: the card of {class_name} has the name {card.name!r} of a built-in model, and their results could "
            "not be told apart; choose another name"
        )
    return Item(ModelEntry(card, f"{module.__name__}:{class_name}"), origin)


def _schemes() -> dict[str, Callable[[str], ModelEntry]]:
    """Beginnings of open names ("hf:"), which families under `adapters/` list in `SCHEMES`."""
    found: dict[str, Callable[[str], ModelEntry]] = {}
    for module in _families():
        found.update(getattr(module, "SCHEMES", {}))
    return found


def absent_systems() -> dict[str, AbsentSystem]:
    """Published systems that cannot be run, which families under `adapters/` list in `ABSENT`, by name.

    Where somebody offers a model of that name, it is no longer absent.
    """
    found = [system for module in _families() for system in getattr(module, "ABSENT", ())]
    return {system.name: system for system in found if not MODELS.offers(system.name)}


def _absent() -> dict[str, RvosError]:
    systems = absent_systems().values()
    return {n: UnavailableError(system.explanation) for system in systems for n in (system.name, *system.aliases)}


def _is_open(name: str) -> bool:
    """Whether a name stands for a model that no list holds: a class in a file, or one of `_schemes`."""
    return is_file_spec(name) or name.startswith(tuple(_schemes()))


def _from_open(name: str) -> Item[ModelEntry]:
    if is_file_spec(name):
        return _from_file(name)
    return Item(next(make for prefix, make in _schemes().items() if name.startswith(prefix))(name))


def _names(entry: ModelEntry) -> list[str]:
    """Everything that users may type for a model, each once."""
    return list(dict.fromkeys((entry.name, *entry.aliases)))


MODELS: Registry[ModelEntry] = Registry(
    kind="model",
    group=GROUP,
    builtin=_builtin,
    names=_names,
    read=_from_package,
    from_file=_from_open,
    is_file=_is_open,
    see="See `rvos-bench list models`.",
    form="path/to/file.py:Class",
    absent=_absent,
)
"""All models."""


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
    lite = next((e for e in builtin_entries().values() if e.stand_in and e.card.family == name), None)
    if lite is None or not have_weights(lite.card):
        return Choice(entry)
    limits = " (its weights are for non-commercial use)" if any(w.non_commercial for w in lite.card.weights) else ""
    line = (
        f"--model {name}: no weights of {entry.card.title or entry.name} found, so this runs {lite.name}, our reduced "
        f"reference model{limits}; --checkpoint FILE runs the paper's"
    )
    if entry.card.weights[0].links:
        line += f", and `rvos-bench weights get {name}` fetches them"
    return Choice(lite, line)


def load_adapter(name: str, checkpoint: str | Path | None = None, device: str = "auto", **options: Any) -> VOSAdapter:
    """Build a model ready to segment; weights that are not here and can be fetched are fetched, and a line says so.

    name: as `rvos-bench list models` prints it, or `file.py:Class`. checkpoint: a file, "random" for deterministic
    recipe weights, or None to look in the usual places. device: "auto", "cpu", "cuda", "cuda:1".
    A bare family name may stand for the family's lite model (see `choose`); a UserWarning says so.
    Raises UsageError, WeightsError, MissingExtraError.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> model = rvos.load_adapter("aoc.lite", device="cpu")
    >>> masks = model.segment(rvos.open_dataset("demo").video("cat"))
    >>> next(iter(masks)).shape
    (180, 320)
    """
    choice = choose(name, checkpoint)
    if choice.instead:
        warnings.warn(choice.instead, stacklevel=2)
    entry = choice.entry
    refuse_needless(entry, checkpoint)
    ensure_weights(entry, checkpoint, _on_stderr)
    found = find_checkpoint(entry.card, checkpoint)
    made_of = adapter_class(entry)
    known = class_options(made_of)
    for option in options:
        if option not in known:
            raise unknown_option(entry.name, option, {n: o for n, o in known.items() if n not in entry.options})
    check_bounds(made_of, options, entry.name)
    required = [n for n, o in known.items() if o.default is REQUIRED and n not in {**entry.options, **options}]
    if required:
        raise UsageError(f"model {entry.name!r} needs the option {required[0]!r}: --option {required[0]}=VALUE")
    merged = {**entry.options, **options}
    try:
        # Networks draw initial weights. A checkpoint replaces them; where there is none, all workers have the same.
        with random_state_kept():
            fresh_random_state()
            adapter = made_of(checkpoint=found, device=resolve_device(device), **merged)
    except (RvosError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        detail = " ".join(str(error).split()) or "no message"
        said = f"model {entry.name!r} cannot be built: {type(error).__name__}: {detail}"
        raise RvosError(with_place(said, error, made_of) + _cure(error, found, made_of)) from error
    absent = [name for name in ("device", "diagnostics") if not hasattr(adapter, name)]
    if absent:
        raise ContractError(f"model {entry.name!r} ({made_of.__name__}) has no {' and no '.join(absent)}: {FORGOTTEN}")
    if getattr(adapter, "card", None) is not entry.card:
        adapter.__dict__["card"] = entry.card
    return adapter


def _on_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def _cure(error: BaseException, checkpoint: Path | str | None, made_of: type[VOSAdapter]) -> str:
    """What to do, for errors of building that many adapters make; "" for all others."""
    if isinstance(error, AttributeError) and error.name in INHERITED and isinstance(error.obj, made_of):
        return f": {FORGOTTEN}"
    if checkpoint == RANDOM and not isinstance(error, UsageError):
        return (
            f": `--checkpoint random` gives this class the word {RANDOM!r}; it has to make up weights for it, as "
            "TorchAdapter does, or refuse it with a UsageError"
        )
    return ""


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
