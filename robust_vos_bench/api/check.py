"""`robust_vos_bench.check`: does a model, a corruption or a data set keep its contract?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_vos_bench.api.settings import option_words
from robust_vos_bench.errors import UsageError, unknown
from robust_vos_bench.fetch import offline as without_network
from robust_vos_bench.findings import Report
from robust_vos_bench.origin import is_file_spec

if TYPE_CHECKING:
    from robust_vos_bench.registry import Registry

KINDS = ("model", "corruption", "dataset")


def check(
    name: str,
    *,
    kind: str | None = None,
    checkpoint: str | Path | None = None,
    option: Mapping[str, Any] | Iterable[str] | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    offline: bool = False,
) -> Report:
    """Test a model, a corruption or a data set in seconds: `rvos-bench check`, with the same words.

    Parameters
    ----------
    name
        A name as `rvos-bench list` prints it, or "path/to/file.py:name". Models and corruptions run on made-up clips;
        of a data set the first videos are read.
    kind
        "model", "corruption" or "dataset", where the name alone does not say.
    checkpoint, option, device, offline
        Of a model, as in `run`.
    data_root
        Folder of a data set.

    Returns
    -------
    Report
        Every finding; `ok` and `verdict` sum them up. A broken contract raises nothing: see
        `robust_vos_bench.findings.raise_if_broken`.

    Raises
    ------
    UsageError
        An unknown name, or one that stands for several things; options for something that has none.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> report = rvos.check("static", device="cpu")
    >>> report.ok
    True
    """
    words = option_words(option)
    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}; use {', '.join(KINDS)}")
    kind = kind or find_kind(name)
    if words and kind != "model":
        raise UsageError(f"--option is for models; {name!r} is a {'data set' if kind == 'dataset' else kind}")
    if kind == "corruption":
        return _corruption(name)
    if kind == "dataset":
        return _dataset(name, data_root)
    with without_network(offline):
        return _model(name, checkpoint, device, words)


def find_kind(name: str) -> str:
    """What a name stands for. UsageError where it is unknown, or stands for more than one thing."""
    from robust_vos_bench.conditions import CORRUPTIONS, Corruption
    from robust_vos_bench.conditions.catalogue import made_in
    from robust_vos_bench.datasets import DATASETS, Dataset, DatasetEntry
    from robust_vos_bench.models.registry import MODELS
    from robust_vos_bench.origin import file_origin, load_module, split_spec

    if is_file_spec(name):
        path, member = split_spec(name)
        module = load_module(file_origin(path, "Python", "path/to/file.py:name"))
        member = member.partition(":")[0]
        found = getattr(module, member, None)
        made = made_in(module)
        if isinstance(found, Corruption) or any(member == c.name or found is c.function for c in made):
            return "corruption"
        if isinstance(found, DatasetEntry) or (isinstance(found, type) and issubclass(found, Dataset)):
            return "dataset"
        if isinstance(found, type) or found is None:
            return "model"
        raise UsageError(
            f"{name!r} is a {type(found).__name__}: say what it is meant to be with --kind model|corruption|dataset "
            "(a function is a corruption once it is decorated with @corruption)"
        )
    family = name.partition("@")[0].partition(":")[0]
    registries: dict[str, tuple[Registry[Any], str]] = {
        "model": (MODELS, name),
        "corruption": (CORRUPTIONS, name),
        "dataset": (DATASETS, family),
    }
    kinds = [kind for kind, (registry, word) in registries.items() if registry.knows(word)]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        meanings = " and ".join("a data set" if kind == "dataset" else f"a {kind}" for kind in kinds)
        raise UsageError(f"{name!r} is {meanings}; say which with --kind {'|'.join(kinds)}")
    broken = [problem for registry, _ in registries.values() for problem in registry.problems()]
    for kind, (registry, word) in registries.items():
        if any(word in problem.names for problem in registry.problems()):
            return kind
    known = [n for registry, _ in registries.values() for n in (*registry.usable(), *registry.every_name())]
    see = ["See `rvos-bench list models`, `list corruptions` and `list datasets`.", *(p.message for p in broken)]
    raise unknown("model, corruption or data set", name, known, " ".join(see))


def _model(name: str, checkpoint: str | Path | None, device: str, options: tuple[str, ...]) -> Report:
    from robust_vos_bench.models import choose, load_adapter, parse_options
    from robust_vos_bench.models.check import check_model

    choice = choose(name, checkpoint)
    if choice.instead:
        warnings.warn(choice.instead, stacklevel=3)
        name = choice.entry.name
    parsed = parse_options(choice.entry, options)
    return check_model(lambda: load_adapter(name, checkpoint, device, **parsed))


def _corruption(name: str) -> Report:
    from robust_vos_bench.conditions import CORRUPTIONS
    from robust_vos_bench.conditions.check import check_corruption

    return check_corruption(CORRUPTIONS.find(name))


def _dataset(name: str, data_root: str | Path | None) -> Report:
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.datasets.check import check_dataset
    from robust_vos_bench.scoring import make_protocol

    return check_dataset(open_dataset(name, data_root), make_protocol)
