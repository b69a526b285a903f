"""What can go wrong with a download; every message names the address and what to do."""

from __future__ import annotations

from robust_vos_bench.errors import DataError


class FetchError(DataError):
    """A file could not be fetched, or is not what it should be. The part that arrived is kept where it can be used."""


class ChangedError(FetchError):
    """A file is not the one that its authors give a hash of, or that was fetched from the same link before."""


class UnusableError(FetchError):
    """All bytes of a file arrived, and they are not what was asked for."""
