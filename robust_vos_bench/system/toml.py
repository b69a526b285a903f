"""Reading TOML files that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.system.text import read_text


def read_toml(path: Path, error: type[RvosError] = DataError) -> dict[str, Any]:
    """The tables of a TOML file (UTF-8, with or without a byte order mark).

    Raises `error`, naming the file and what is wrong with it: unreadable, not UTF-8, not TOML.
    """
    text = read_text(path, error)
    try:
        found: dict[str, Any] = msgspec.toml.decode(text)
    except msgspec.DecodeError as problem:
        raise error(f"{path}: not valid TOML: {problem}") from problem
    return found
