"""From names, checkpoints and options, as users give them, to models that are ready to be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import choose, parse_options
from robust_vos_bench.runs.build import build_model
from robust_vos_bench.runs.plan import ModelSpec


def resolve_models(
    names: Sequence[str],
    checkpoints: Sequence[str] = (),
    options: Sequence[str] = (),
    to_plan: bool = False,
    notice: Callable[[str], None] = lambda text: None,
) -> list[ModelSpec]:
    """One spec per name, with the checkpoint and the options that are meant for it.

    checkpoints: "FILE" or "random", with several models "NAME=FILE". options: "NAME=VALUE", with several models
    "MODEL:NAME=VALUE". to_plan: weights may be absent. notice: is told where a name stands for another model.
    Raises UsageError for what cannot be assigned to a model, WeightsError where weights are absent.
    """
    files = assign_checkpoints(names, checkpoints)
    specs = []
    for name in names:
        choice = choose(name, files.get(name))
        if choice.instead:
            notice(choice.instead)
        chosen = choice.entry.name if choice.instead else name
        own = options_of(name, names, options)
        specs.append(build_model(chosen, files.get(name), parse_options(choice.entry, own), to_plan))
    return specs


def assign_checkpoints(names: Sequence[str], checkpoints: Sequence[str]) -> dict[str, str]:
    """Model -> checkpoint."""
    files: dict[str, str] = {}
    for given in checkpoints:
        name, equals, file = given.partition("=")
        if equals and name in names:
            files[name] = file
        elif given == "random":
            files.update({n: "random" for n in names if n not in files})
        elif len(names) == 1:
            files[names[0]] = given
        else:
            raise UsageError(f"--checkpoint {given!r}: with several models write NAME=FILE, e.g. {names[0]}={given}")
    return files


def options_of(name: str, names: Sequence[str], options: Sequence[str]) -> list[str]:
    """The options that are meant for one of the models, without its name."""
    own = []
    for option in options:
        key = option.split("=", 1)[0]
        owner, colon, _ = key.rpartition(":")
        if colon and owner in names:
            own += [option[len(owner) + 1 :]] if owner == name else []
        elif len(names) == 1:
            own.append(option)
        else:
            raise UsageError(f"--option {option!r}: with several models write MODEL:NAME=VALUE")
    return own
