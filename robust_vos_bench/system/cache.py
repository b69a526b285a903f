"""The cache folder, and what is remembered there about files: digests by size and time of change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from robust_vos_bench.errors import DataError
from robust_vos_bench.system.atomic import write_bytes
from robust_vos_bench.system.hashes import file_sha256
from robust_vos_bench.system.paths import user_path

_VERSION = 1


def cache_folder() -> Path:
    """Where things that can be made again are kept: `$RVOS_BENCH_CACHE`, else the user's cache folder."""
    return user_path(os.environ.get("RVOS_BENCH_CACHE") or platformdirs.user_cache_dir("rvos-bench")).absolute()


def file_fingerprint(identity: str, paths: Sequence[Path]) -> str:
    """Hex sha256 over `identity` and the name, folder name and bytes of every file, in order.

    Raises DataError, naming the file, where one is missing.
    """
    return str(remembered("fingerprints", identity, paths, lambda: _digest(identity, paths)))


def remembered(kind: str, identity: str, paths: Sequence[Path], make: Callable[[], Any]) -> Any:
    """What `make` finds out about some files (a JSON value), kept in the cache folder.

    Files whose size and times of change are as last time are not read again. Raises DataError, naming the file,
    where one is missing.
    """
    stamps = hashlib.sha256(f"{_VERSION}\0{kind}\0{identity}\0".encode())
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        stamps.update(
            f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}\n".encode(
                "utf-8", "surrogateescape"
            )
        )
    key = stamps.hexdigest()
    kept = cache_folder() / kind / key[:2] / key[2:]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return json.loads(kept.read_text())["found"]
    found = make()
    with contextlib.suppress(OSError, DataError):  # a cache that cannot be written only costs time
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(kept, json.dumps({"found": found}).encode(), durable=False)
    return found


def _digest(identity: str, paths: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{_VERSION}\0{identity}\0".encode())
    for path in paths:
        line = f"{path.parent.name}/{path.name}\0{file_sha256(path)}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
