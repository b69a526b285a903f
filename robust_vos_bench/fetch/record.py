"""`downloads.json`: link -> sha256, size and name of its first download, which every later one must equal."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import DataError
from robust_vos_bench.fetch.problems import ChangedError
from robust_vos_bench.system.atomic import write_bytes
from robust_vos_bench.system.locks import exclusive
from robust_vos_bench.system.text import read_text

RECORD = "downloads.json"
"""Under the root of data sets or weights."""


@dataclass(frozen=True)
class Entry:
    """What is on record of one link."""

    key: str
    sha256: str
    bytes: int
    file: str = ""
    """Under the root, with forward slashes; "" in records of older versions."""


def entries(root: Path) -> list[Entry]:
    """All that is on record under `root`. Raises DataError where the record is damaged."""
    return [Entry(key, e["sha256"], e.get("bytes", 0), e.get("file", "")) for key, e in _read(root / RECORD).items()]


def recorded(key: str, root: Path) -> Entry | None:
    """What is on record of a link."""
    return next((entry for entry in entries(root) if entry.key == key), None)


def compare_and_record(key: str, sha256: str, path: Path, size: int, root: Path) -> bool:
    """Whether the link was on record, with this sha256; where it was not, it is now.

    path: the name that the file has or will have. Raises ChangedError where the record has another sha256.
    """
    with exclusive(root / f".{RECORD}.lock"):
        record = root / RECORD
        known = _read(record)
        if key in known:
            if known[key]["sha256"] != sha256:
                raise ChangedError(
                    f"{path}: sha256 {sha256} differs from {known[key]['sha256']}, which {record} has of an earlier "
                    f"download of {key}. Delete the file to fetch it again, or the entry if the authors published a "
                    "new version"
                )
            return True
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        known[key] = {"sha256": sha256, "bytes": size, "file": name}
        write_bytes(record, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())
        return False


def _read(record: Path) -> dict[str, dict[str, Any]]:
    if not record.is_file():
        return {}
    text = read_text(record)
    with contextlib.suppress(ValueError):
        known = json.loads(text)
        if isinstance(known, dict) and all(_is_entry(entry) for entry in known.values()):
            return known
    raise DataError(
        f"{record}: damaged: downloads cannot be checked against it. Repair it, or delete it to record them anew"
    )


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and isinstance(entry.get("bytes", 0), int)
        and isinstance(entry.get("file", ""), str)
    )
