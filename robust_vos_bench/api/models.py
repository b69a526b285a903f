"""From names, checkpoints and options, as users give them, to models that are ready to be run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import ModelEntry, choose, parse_options
from robust_vos_bench.models.inside import entry_inside
from robust_vos_bench.models.options import adapter_class
from robust_vos_bench.models.registry import MODELS
from robust_vos_bench.models.weights import ensure_weights
from robust_vos_bench.origin import is_file_spec, split_spec
from robust_vos_bench.runs.build import build_model
from robust_vos_bench.runs.plan import ModelSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
"""Names that users may give: they are parts of file names and of tables."""


def split_name(word: str) -> tuple[str, str]:
    """ "ours=aot.r50_l" -> ("ours", "aot.r50_l"); a model without a name of the user's -> ("", model).

    A path may hold "=": a file that exists under the whole word is that file. Raises UsageError for a name that is no
    plain word, and for one that another model has: its results could not be told apart from that model's. The name of a
    published system that cannot be run is free, for masks made with it.
    """
    name, equals, model = word.partition("=")
    if not equals:
        return "", word
    if is_file_spec(word) and ("/" in name or "\\" in name or Path(split_spec(word)[0]).expanduser().exists()):
        return "", word
    if not _NAME.fullmatch(name) or not model:
        raise UsageError(
            f"--model {word!r}: write NAME=MODEL; a name is a word of at most 64 letters, digits and . _ + - that "
            "begins with a letter or digit"
        )
    if MODELS.offers(name):
        raise UsageError(
            f"--model {word!r}: {name!r} is the name of a model, and its results could not be told apart from that "
            "model's; choose another name"
        )
    return name, model


def resolve_models(
    words: Sequence[str],
    checkpoints: Sequence[str] = (),
    options: Sequence[str] = (),
    to_plan: bool = False,
    notice: Callable[[str], None] = lambda text: None,
    quiet: bool = False,
) -> list[ModelSpec]:
    """One spec per word, with the checkpoint and the options that are meant for it.

    words: "MODEL" or "NAME=MODEL", a name of one's own. checkpoints: "FILE" or "random", with several models
    "NAME=FILE". options: "NAME=VALUE", with several models "MODEL:NAME=VALUE". A model that has a name of one's own
    is addressed by it, or by the model where only one stands for that. to_plan: weights may be absent; otherwise
    those that can be fetched are fetched. notice: is told of that, and where a name stands for another model. quiet: no
    bar meanwhile.
    Raises UsageError for what cannot be assigned to a model, WeightsError where weights are absent.
    """
    pairs = [split_name(word) for word in words]
    names = [label or model for label, model in pairs]
    checkpoints = [_addressed(given, "=", pairs, "--checkpoint") for given in checkpoints]
    options = [_addressed(given, ":", pairs, "--option") for given in options]
    files = assign_checkpoints(names, checkpoints)
    specs = []
    for name, (label, model) in zip(names, pairs):
        choice = choose(model, files.get(name))
        if choice.instead:
            notice(choice.instead)
        if not to_plan:
            ensure_weights(choice.entry, files.get(name), notice, quiet)
        chosen = choice.entry.name if choice.instead else model
        parsed = parse_options(choice.entry, options_of(name, names, options))
        if not to_plan:
            ensure_inside(choice.entry, files.get(name), parsed, notice, quiet)
        specs.append(build_model(chosen, files.get(name), parsed, to_plan, label))
    return specs


def ensure_inside(
    entry: ModelEntry,
    checkpoint: str | None,
    options: Mapping[str, Any],
    notice: Callable[[str], None],
    quiet: bool = False,
) -> None:
    """`ensure_weights` of the model that a model runs inside, if it runs one."""
    made_of = adapter_class(entry)
    inside = made_of.inside(made_of.settled({**entry.options, **options}, checkpoint), checkpoint)
    if inside is not None:
        ensure_weights(entry_inside(entry.name, inside)[0], inside.checkpoint, notice, quiet)


def _addressed(given: str, mark: str, pairs: Sequence[tuple[str, str]], flag: str) -> str:
    """The word with the user's own name where it begins with the model's. UsageError where several have that model."""
    names = [label or model for label, model in pairs]
    for model in dict.fromkeys(model for label, model in pairs if label):
        if model in names or not given.startswith(model + mark):
            continue
        labels = [label for label, other in pairs if other == model]
        if len(labels) > 1:
            raise UsageError(
                f"{flag} {given!r}: write {' or '.join(n + mark for n in labels)} instead of {model}{mark}"
            )
        return labels[0] + given[len(model) :]
    return given


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
