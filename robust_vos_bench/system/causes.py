"""Errors with one cause, told apart from errors with another: each cause is said once, with a count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SHORT = 80
"""Characters of an error that is repeated only to tell it from another."""
_NUMBER = re.compile(r"\d+")


@dataclass
class Causes:
    """Error texts by cause. Two have the same one where they differ only in numbers and in the names given with them.

    A text that names a file has a cause of its own for each file: `exact`.
    """

    _first: dict[str, str] = field(default_factory=dict)
    _more: dict[str, int] = field(default_factory=dict)

    def is_new(self, text: str, names: Iterable[str] = (), exact: bool = False) -> bool:
        """Count an error; whether its cause has not been met before. names: what it is about (video, model)."""
        cause = text if exact else cause_of(text, names)
        if cause in self._first:
            self._more[cause] = self._more.get(cause, 0) + 1
            return False
        self._first[cause] = text
        return True

    def repeated(self) -> Iterator[str]:
        """ "and 75 more ..." of every cause that was met more than once."""
        for cause, count in self._more.items():
            text = self._first[cause]
            short = text if len(text) <= SHORT else f"{text[: SHORT - 4]} ..."
            yield f"and {count} more " + ("for the same reason" if len(self._first) == 1 else f"like this: {short}")


def cause_of(text: str, names: Iterable[str] = ()) -> str:
    """The text without numbers and without the names, where they stand in quotes or for themselves."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "*", text)
    return _NUMBER.sub("#", text)
