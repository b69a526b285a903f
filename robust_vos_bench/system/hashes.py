"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from robust_vos_bench.errors import DataError


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes. Raises DataError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()
