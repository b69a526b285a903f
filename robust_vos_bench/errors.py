"""Errors a person can act on: what happened, where, and what to do. Exit codes are part of the interface."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class RvosError(Exception):
    """Base of every error that rvos-bench raises on purpose; shown without a traceback unless `--debug`."""

    exit_code = 1
    partial: Any = None
    """What was finished before the error, where there is something: a `Run`, a `SplitReport`."""
    traceback: str = ""
    """The whole traceback, where the error was raised in another process and would lose it on the way here."""


class UsageError(RvosError):
    """A wrong name, value or combination on the command line or in the API."""

    exit_code = 2


class IncompleteError(RvosError):
    """A run finished, but cells failed or are missing."""

    exit_code = 3


class DeviceLostError(RvosError):
    """A GPU that was there when the run began is gone; what is finished is kept."""

    exit_code = 3


class DataError(RvosError):
    """A data set, frame, mask or result file is missing, damaged or does not fit."""

    exit_code = 4


class WeightsError(RvosError):
    """A checkpoint is missing or does not fit the network."""

    exit_code = 4


class MissingExtraError(RvosError):
    """An optional dependency is needed; the message names the extra to install."""

    exit_code = 4


class UnavailableError(RvosError):
    """A system is known by its name, but nothing of it that runs was published; the message says what there is."""

    exit_code = 4


class ContractError(RvosError):
    """An adapter broke the contract (wrong type, size, ids, number of masks ...)."""

    exit_code = 5


def unknown(kind: str, name: str, known: Iterable[str], see: str = "") -> UsageError:
    """A UsageError for an unknown name, with the nearest known names and where to list them all."""
    names = list(dict.fromkeys(known))  # several spellings may stand for one name
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return UsageError(f"unknown {kind} {name!r}.{hint}" + (f" {see}" if see else ""))
