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
