"""The authors' weights: what there is, getting it, checking it: `rvos-bench weights`, with the same words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.api.settings import Names
from robust_vos_bench.api.settings import names as split_names
from robust_vos_bench.errors import RvosError, UsageError, WeightsError, unknown
from robust_vos_bench.fetch import is_offline
from robust_vos_bench.models.card import ModelEntry, Weights
from robust_vos_bench.models.checkpoint import find_official, packaged_folder, sha256_of, weights_roots
from robust_vos_bench.models.registry import MODELS, entries
from robust_vos_bench.models.weights import check_fits, check_known
from robust_vos_bench.models.weights import get_weights as get_one
from robust_vos_bench.origin import is_file_spec

ALL = "all"
"""The name that stands for every model."""


@dataclass(frozen=True)
class OfficialFile:
    """A checkpoint file of a family, and the models that take it."""

    family: str
    weights: Weights
    models: tuple[str, ...]
    entry: ModelEntry
    """The first of these models."""

    @property
    def path(self) -> Path | None:
        """Where it is; None where it is not here."""
        return find_official(self.entry.card, (self.weights,))

    @property
    def packaged(self) -> bool:
        """It is part of this installation."""
        return (packaged_folder() / self.weights.file).is_file()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        weights, path = self.weights, self.path
        return {
            "file": weights.file,
            "family": self.family,
            "models": list(self.models),
            "state": "here" if path else "fetchable" if weights.links else weights.way,
            "path": str(path) if path else "",
            "license": self.entry.card.license_of(weights),
            "non_commercial": weights.non_commercial,
            "addresses": [link.address for link in weights.links],
            "where": weights.said,
            "sha256": weights.sha256,
            "md5": weights.md5,
            "original": weights.original,
        }


def official_files(names: Sequence[str] = ()) -> list[OfficialFile]:
    """Every checkpoint file on the cards, by family and in the order of the cards.

    names: models in files of one's own ("mine.py:MyModel") among them are there too.
    """
    found: dict[tuple[str, str], OfficialFile] = {}
    own = [MODELS.find(name).value for name in names if is_file_spec(name)]
    for entry in [*(item.value for item in MODELS.usable().values()), *own]:
        for weights in (*entry.card.also, *entry.card.weights):  # what a network is compared with comes first
            key = (entry.card.family, weights.file)
            before = found.get(key)
            models = (*(before.models if before else ()), entry.name)
            found[key] = OfficialFile(entry.card.family, weights, models, before.entry if before else entry)
    return list(found.values())


def list_weights(name: Names | None = None, family: str | None = None) -> list[dict[str, Any]]:
    """Every official file: models, state ("here", "fetchable", "by hand", "never published"), path, licence, source.

    name: models or file names; family: of one family only. Raises UsageError for an unknown name.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rvos.list_weights("xmem")[0]["file"]
    'XMem.pth'
    """
    return [file.to_dict() for file in _chosen(split_names(name), family, every=True)]


@dataclass(frozen=True)
class WeightsGot:
    """One file that is here now."""

    file: str
    models: tuple[str, ...]
    path: str
    sha256: str
    fetched: bool
    """It was not here before."""
    known: bool
    """The digest was compared with the authors' or that of an earlier download; else it was recorded now."""
    license: str
    non_commercial: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {**asdict(self), "models": list(self.models)}


def get_weights(
    name: Names | None = None, *, family: str | None = None, every: bool = False, progress: bool = True
) -> list[WeightsGot]:
    """Fetch official weights that are not here: `rvos-bench weights get`.

    Parameters
    ----------
    name
        Models ("xmem", "aot.t"), file names ("XMem-s012.pth"), or "all", which are those that can be fetched.
    family
        Only models of this family; without `name`, all of them.
    every
        All files of a model, not only the usual one.
    progress
        Show a bar on a terminal. One line a file, with size, licence and source, is said in any case.

    Returns
    -------
    list of WeightsGot
        One a file, in order.

    Raises
    ------
    UsageError
        An unknown name, or nothing to fetch.
    WeightsError
        A file cannot be fetched, or differs from what its authors say. Others are fetched all the same: the error's
        `partial` has them.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rvos.get_weights("xmem")  # doctest: +SKIP
    """
    wanted = split_names(name)
    if not wanted and family is None:
        raise UsageError("say which weights: a model, a file, or all (`rvos-bench weights list` shows them)")
    files = _chosen(wanted, family, every)
    if not wanted or ALL in wanted:
        files = [file for file in files if file.weights.links]
    if not files:
        raise UsageError("nothing of this can be fetched; `rvos-bench weights list` says how each file is to be had")
    got, problems = [], []
    for file in files:
        try:
            if is_offline() and file.path is None:
                raise WeightsError(
                    f"{file.weights.file} is not here, and RVOS_BENCH_OFFLINE forbids the network; "
                    f"without it: rvos-bench weights get {file.models[0]}"
                )
            one = get_one(file.entry, file.weights, _say, quiet=not progress)
        except WeightsError as error:
            problems.append(str(error))
            continue
        card = file.entry.card
        got.append(
            WeightsGot(
                one.path.name,
                file.models,
                str(one.path),
                one.sha256,
                one.fetched,
                one.known,
                card.license_of(file.weights),
                file.weights.non_commercial,
            )
        )
    if problems:
        failure = WeightsError("\n".join(problems))
        failure.partial = got
        raise failure
    return got


@dataclass(frozen=True)
class Verified:
    """What was found out about one file."""

    file: str
    path: str
    sha256: str
    problem: str
    """Empty where nothing is wrong."""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {**asdict(self), "notes": list(self.notes)}


def verify_weights(name: Names | None = None, *, family: str | None = None, keys: bool = True) -> list[Verified]:
    """Compare every official file that is here with its digest on record and with its network, key by key.

    keys: False compares digests only, which needs no networks. Raises UsageError for an unknown name.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> [(one.file, one.problem) for one in rvos.verify_weights("aoc.lite", keys=False)]
    [('aoc.lite.plain.safetensors', '')]
    """
    found = []
    for file in _chosen(split_names(name), family, every=True):
        path = file.path
        if path is None:
            continue
        notes: list[str] = []
        digest = ""
        try:
            digest = sha256_of(path)
            if not file.packaged:
                check_known(file.entry.card, path, digest)
            if keys:
                check_fits(file.entry, file.weights, path, notes.append)
            problem = ""
        except RvosError as error:
            problem = str(error)
        found.append(Verified(file.weights.file, str(path), digest, problem, tuple(notes)))
    return found


def weights_where() -> dict[str, Any]:
    """The folders in which weights are looked for, in order, and the official files that are in them.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> sorted(rvos.weights_where())
    ['folders', 'here', 'packaged']
    """
    here = [file for file in official_files() if file.path is not None and not file.packaged]
    return {
        "folders": [str(root / "<family>") for root in weights_roots()],
        "packaged": str(packaged_folder()),
        "here": {file.weights.file: str(file.path) for file in here},
    }


def _chosen(names: Sequence[str], family: str | None, every: bool) -> list[OfficialFile]:
    """The files that are meant. every: all files of a model, not only the usual one and those beside it."""
    files = official_files(names)
    if family is not None:
        families = list(dict.fromkeys(file.family for file in files))
        if family not in families:
            raise unknown("family", family, families, "See `rvos-bench list models`.")
        files = [file for file in files if file.family == family]
    listed = [*entries().values(), *(file.entry for file in files)]
    usual = {(e.card.family, w.file) for e in listed for w in (*e.card.weights[:1], *e.card.also)}
    chosen: dict[tuple[str, str], OfficialFile] = {}
    for name in names or (ALL,):
        fitting = [file for file in files if file.weights.file == name]
        if not fitting:
            models = set(_models(name)) if name != ALL else None
            of_models = [file for file in files if models is None or models & set(file.models)]
            fitting = [file for file in of_models if every or (file.family, file.weights.file) in usual]
            if not of_models:  # a model that no list holds
                entry = MODELS.find(name).value
                own = (*entry.card.also, *entry.card.weights)
                fitting = [OfficialFile(entry.card.family, weights, (entry.name,), entry) for weights in own]
        chosen.update({(file.family, file.weights.file): file for file in fitting})
    return list(chosen.values())


def _models(name: str) -> Iterable[str]:
    """The model of a name or an alias. Raises UsageError, also for a model that needs no weights."""
    if not is_file_spec(name) and not MODELS.knows(name):
        files = [file.weights.file for file in official_files()]
        raise unknown("model or weights file", name, [*entries(), *files], "See `rvos-bench weights list`.")
    entry = MODELS.find(name).value
    if not entry.card.weights:
        raise UsageError(f"model {entry.name!r} needs no weights")
    return (entry.name,)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
