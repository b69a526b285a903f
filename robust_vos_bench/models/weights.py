"""Getting the authors' weights: fetched when they are first needed, compared with the network before they count."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.errors import RvosError, WeightsError
from robust_vos_bench.fetch import ChangedError, FetchError, fetch, is_offline, verify_file
from robust_vos_bench.fetch.record import compare_and_record, entries
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights
from robust_vos_bench.models.checkpoint import (
    RANDOM,
    find_checkpoint,
    find_official,
    on_card,
    packaged_folder,
    sha256_of,
    weights_roots,
)
from robust_vos_bench.models.extras import extra_installed
from robust_vos_bench.models.file_kinds import kind_of, plain
from robust_vos_bench.models.options import adapter_class
from robust_vos_bench.models.tensor_bundle import index_in_archive
from robust_vos_bench.system.atomic import WriteError
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.system.global_state import random_state_kept

Say = Callable[[str], None]


@dataclass(frozen=True)
class Got:
    """An official file that is here."""

    weights: Weights
    path: Path
    sha256: str
    fetched: bool
    """It was not here before."""
    known: bool
    """The digest was compared with one of the authors or of an earlier download; else it was recorded now."""


def ensure_weights(entry: ModelEntry, given: str | Path | None, say: Say, quiet: bool = False) -> None:
    """Fetch the weights that a model needs and that are not here; a line says so first. quiet: no bar.

    given: the checkpoint that the user named, if any; a name on the card is fetched too. Does nothing where the weights
    are here, are not to be fetched, or the network must not be touched: `find_checkpoint` then says what to do.
    Raises WeightsError where the download fails, MissingExtraError where the model could not run all the same.
    """
    card = entry.card
    if given is not None and (str(given) == RANDOM or on_card(card, given) is None):
        return
    wanted = card.weights if given is None else tuple(w for w in card.weights if w is on_card(card, given))
    missing = [weights for weights in card.also if find_official(card, (weights,)) is None]
    missing += [wanted[0]] if wanted and find_official(card, wanted) is None else []
    for weights in missing:
        if weights.links and not is_offline() and not weights.original:
            adapter_class(entry)  # an extra that is not installed is told before anything is fetched
            get_weights(entry, weights, say, quiet)


def get_weights(entry: ModelEntry, weights: Weights, say: Say, quiet: bool = False) -> Got:
    """One official file of a model, fetched unless it is here.

    say: is told, in one line, file, size, licence and source before the bytes come. Raises WeightsError with the file,
    the address and what to do; nothing that is cut off or does not fit the network gets the file's name.
    """
    card = entry.card
    packaged = packaged_folder() / weights.file
    if packaged.is_file():
        return Got(weights, packaged, sha256_of(packaged), False, True)
    name = weights.original or weights.file
    root, here = _place(card.family, name)
    path = root / card.family / name
    if here:
        return _verified(weights, path, root)
    if not weights.links:
        raise WeightsError(f"{name} of model {card.name!r} cannot be fetched: {weights.said}")
    with _Shown(card, weights, path, say, quiet) as shown:
        try:
            got = fetch(
                weights.remote,
                path,
                root,
                tell=shown.reached,
                say=shown.say,
                check=lambda part: _check_arrived(entry, weights, part, shown.say),
            )
        except WriteError as error:
            raise WeightsError(
                f"{error}. {name} of model {card.name!r} comes from {weights.links[0].address}; set RVOS_BENCH_WEIGHTS "
                "to a folder with space that can be written, or put the file there by hand"
            ) from error
        except FetchError as error:
            raise WeightsError(f"{name} of model {card.name!r}: {error}") from error
    if weights.original:
        say(f"{path} is not read as it is. Convert it once: rvos-bench weights convert {card.name}")
    return Got(weights, path, got.sha256, True, got.known)


def check_fits(entry: ModelEntry, weights: Weights, path: Path, say: Say = lambda text: None) -> None:
    """Raise WeightsError unless a file is one of weights and fits the network of the model, key by key."""
    if weights.file.endswith(".json"):
        _check_json(path)
        return
    kind_of(path)
    if weights in entry.card.also:
        return  # what such a file has to hold is the adapter's own knowledge
    if entry.card.extra and not extra_installed(entry.card.extra):
        say(
            f"{weights.file} was not compared with the network, which needs the extra {entry.card.extra}: "
            f"pip install 'rvos-bench[{entry.card.extra}]', then rvos-bench weights verify {entry.name}"
        )
        return
    try:
        with random_state_kept():
            adapter_class(entry)(checkpoint=path, device="cpu", **entry.options)
    except (RvosError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # of another package's loader
        raise WeightsError(f"{path}: cannot be loaded: {type(error).__name__}: {plain(error)}") from error


def _check_json(path: Path) -> None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path}: no settings in JSON ({plain(error)})") from error


def _check_arrived(entry: ModelEntry, weights: Weights, part: Path, say: Say) -> None:
    if weights.original:
        # pickled objects and checkpoints of TensorFlow are read by `weights convert` alone
        if index_in_archive(part) is None:
            kind_of(part)
    else:
        check_fits(entry, weights, part, say)


def check_known(card: ModelCard, path: Path, sha256: str) -> None:
    """Raise WeightsError where a file under an official name is not the one that was fetched, or that its authors
    give a digest of. Files from elsewhere (`--checkpoint FILE`) are the user's own and may be anything."""
    for root in weights_roots():
        for weights in (*card.weights, *card.also):
            if path == root / card.family / weights.file and not weights.original:
                _compare(weights, path, sha256, root)


def _compare(weights: Weights, path: Path, sha256: str, root: Path) -> None:
    try:
        keys = {link.key for link in weights.links}
        known = [entry for entry in entries(root) if entry.key in keys and root / entry.file == path]
        if any(entry.sha256 == sha256 for entry in known):
            return
        for entry in known:
            compare_and_record(entry.key, sha256, path, path.stat().st_size, root)  # raises
        if weights.sha256 or weights.md5:
            verify_file(weights.remote, path, root)
    except ChangedError as error:
        raise WeightsError(f"{error}. Weights of your own go by --checkpoint FILE, from another folder") from error


def _verified(weights: Weights, path: Path, root: Path) -> Got:
    try:
        found = verify_file(weights.remote, path, root)
    except ChangedError as error:
        raise WeightsError(f"{error}. Weights of your own go by --checkpoint FILE, from another folder") from error
    return Got(weights, path, found.sha256, False, found.known)


def _place(family: str, name: str) -> tuple[Path, bool]:
    """The root where a file is, or else the first one that can be written, and whether the file is there."""
    roots = weights_roots()
    for root in roots:
        if (root / family / name).is_file():
            return root, True
    return next((root for root in roots if _writable(root / family)), roots[0]), False


def _writable(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


class _Shown:
    """What is shown of a download: one line when its size is known, then a bar; other lines take the bar away."""

    def __init__(self, card: ModelCard, weights: Weights, path: Path, say: Say, quiet: bool) -> None:
        self._card, self._weights, self._path, self._say, self._quiet = card, weights, path, say, quiet
        self._announced = False
        self._bar: Bar | None = None

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(*failure)
            self._bar = None

    def say(self, text: str) -> None:
        self.__exit__()
        self._say(text)

    def reached(self, done: int, total: int) -> None:
        if not self._announced:
            self._announced = True
            self._say(self._line(total))
        if self._bar is None:
            self._bar = Bar(self._path.name, total or None, quiet=self._quiet, sizes=True).__enter__()
        self._bar.reached(done, total)

    def _line(self, total: int) -> str:
        weights, card = self._weights, self._card
        size = f"{total / 2**20:.0f} MiB" if total >= 2**20 else f"{total} bytes" if total else "size unknown"
        limits = " FOR NON-COMMERCIAL USE ONLY." if weights.non_commercial else ""
        return (
            f"fetching {self._path.name} of {card.name} ({size}) from {weights.links[0].address} to "
            f"{self._path.parent}; licence: {card.license_of(weights)}.{limits}"
        )


def state_of(card: ModelCard) -> str:
    """Where a model's weights are: "none needed", "here", "to convert", "fetchable", "by hand" or "never published"."""
    if not card.weights:
        return "none needed"
    try:
        find_checkpoint(card, None)
        return "here"
    except WeightsError:
        pass
    for weights in card.weights:
        if weights.original and any((r / card.family / weights.original).is_file() for r in weights_roots()):
            return "to convert"
    ways = [weights.way for weights in card.weights]
    return "fetchable" if "fetched" in ways else "by hand" if "by hand" in ways else "never published"
