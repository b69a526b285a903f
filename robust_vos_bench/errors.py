"""Errors a person can act on: what happened, where, and what to do. Exit codes are part of the interface."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class RvosError(Exception):
    """Base of every error that rvos-bench raises on purpose; shown without a traceback unless `--debug`.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> try:
    ...     rvos.Condition("fogg", 3)
    ... except rvos.RvosError as error:
    ...     print(type(error).__name__)
    UsageError
    """

    exit_code = 1
    partial: Any = None
    """What was finished before the error, where there is something: a `Run`, a `SplitReport`."""
    traceback: str = ""
    """The whole traceback, where the error was raised in another process and would lose it on the way here."""


class UsageError(RvosError):
    """A wrong name, value or combination on the command line or in the API.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rvos.Condition("fog", 9)
    Traceback (most recent call last):
    ...
    robust_vos_bench.errors.UsageError: ...
    """

    exit_code = 2


class IncompleteError(RvosError):
    """A run finished, but cells failed or are missing.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> def finished_part(**words):
    ...     try:
    ...         return rvos.run(**words, progress=False)
    ...     except rvos.IncompleteError as error:
    ...         return error.partial
    >>> finished_part(model="static", corruption="fog-3", limit=2).manifest.status
    'complete'
    """

    exit_code = 3


class DeviceLostError(RvosError):
    """A GPU that was there when the run began is gone; what is finished is kept."""

    exit_code = 3


class ClusterLostError(RvosError):
    """A cluster that was there when the run began is gone; what is finished is kept."""

    exit_code = 3


class DataError(RvosError):
    """A data set, frame, mask or result file is missing, damaged or does not fit.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> try:
    ...     rvos.load_run("no-such-run")
    ... except rvos.DataError as error:
    ...     print(error.exit_code)
    4
    """

    exit_code = 4


class WeightsError(RvosError):
    """A checkpoint is missing or does not fit the network.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> try:
    ...     rvos.load_adapter("aoc.lite", checkpoint="no-such-file.pth")
    ... except rvos.WeightsError as error:
    ...     print(error.exit_code)
    4
    """

    exit_code = 4


class MissingExtraError(RvosError):
    """An optional dependency is needed; the message names the extra to install."""

    exit_code = 4


class UnavailableError(RvosError):
    """A system is known by its name, but nothing of it that runs was published; the message says what there is.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> try:
    ...     rvos.load_adapter("batman")
    ... except rvos.UnavailableError as error:
    ...     print(error.exit_code)
    4
    """

    exit_code = 4


class ContractError(RvosError):
    """An adapter broke the contract (wrong type, size, ids, number of masks ...).

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> issubclass(rvos.ContractError, rvos.RvosError), rvos.ContractError.exit_code
    (True, 5)
    """

    exit_code = 5


def unknown(kind: str, name: str, known: Iterable[str], see: str = "") -> UsageError:
    """A UsageError for an unknown name, with the nearest known names and where to list them all."""
    names = list(dict.fromkeys(known))  # several spellings may stand for one name
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return UsageError(f"unknown {kind} {name!r}.{hint}" + (f" {see}" if see else ""))
