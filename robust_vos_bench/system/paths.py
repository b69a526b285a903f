"""Paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(given: str | Path) -> Path:
    """The path that a person means: `~` and `~name` at the start stand for a home folder, as in a shell.

    A `~name` of nobody stays as it is, as in a shell. Everything that takes a path from a command line, an environment
    variable, a settings file or a Python call reads it with this function (or with its click type,
    `cli.options.UserPath`).
    """
    return Path(os.path.expanduser(given))  # noqa: PTH111 (Path.expanduser raises for a name of nobody)


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; a disk may hold any bytes, and Python carries them."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(name: str) -> str:
    """A name that can be written as UTF-8: the same wherever it is text, with escapes ("\\xe4") where it is not."""
    return os.fsencode(name).decode("utf-8", "backslashreplace") if not is_text(name) else name
