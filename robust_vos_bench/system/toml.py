"""Reading TOML files that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from robust_vos_bench.errors import DataError, RvosError


def read_toml(path: Path, error: type[RvosError] = DataError) -> dict[str, Any]:
    """The tables of a TOML file (UTF-8, with or without a byte order mark).

    Raises `error`, naming the file and what is wrong with it: unreadable, not UTF-8, not TOML.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not UTF-8 text ({problem}); save it as UTF-8") from problem
    try:
        found: dict[str, Any] = msgspec.toml.decode(text)
    except msgspec.DecodeError as problem:
        raise error(f"{path}: not valid TOML: {problem}") from problem
    return found
