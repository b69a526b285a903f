"""Choosing videos by name: exact names, and patterns as in a shell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from robust_vos_bench.errors import unknown


def is_pattern(name: str) -> bool:
    """Whether a name has `*`, `?` or `[` in it."""
    return any(sign in name for sign in "*?[")


def matching(kind: str, wanted: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """The names that are asked for, in the order of `names`. A name that is there counts as it is, also with `*` in it.

    kind: what they are, for messages ("video of demo"). Raises UsageError, with the nearest names, for one that is not
    there and for a pattern that fits none.
    """
    found: set[str] = set()
    for name in wanted:
        if name in names:
            found.add(name)
            continue
        fitting = [known for known in names if fnmatchcase(known, name)] if is_pattern(name) else []
        if not fitting:
            raise unknown(kind, name, names, f"There are {_list(names)}.")
        found.update(fitting)
    return tuple(name for name in names if name in found)


def _list(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
