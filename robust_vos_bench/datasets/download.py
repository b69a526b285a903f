"""Downloading archives: resumed where they broke off, checked by sha256."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from robust_vos_bench.errors import DataError
from robust_vos_bench.system.atomic import make_folder, write_bytes, write_error
from robust_vos_bench.system.hashes import file_sha256
from robust_vos_bench.system.text import read_text

Progress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all or 0)."""
RECORD = "downloads.json"
"""Under the data root: URL -> sha256 and size of the first download, which later ones must match."""
_BLOCK = 1 << 18
_TRIES = 5


def download(url: str, path: Path, tell: Progress | None = None, timeout: float = 30.0) -> None:
    """Fetch `url` to `path`, going on from `<path>.part` where an earlier attempt broke off.

    Drops of the connection are retried a few times. Raises DataError with the URL, what happened and what to do.
    """
    if path.is_file():
        return
    make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    for attempt in range(_TRIES):
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _fetch(url, part, tell, timeout):
                part.replace(path)
                return
        except urllib.error.HTTPError as error:
            raise DataError(f"{url}: the server answered {error.code} {error.reason}; {_by_hand(path)}") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            gained = part.is_file() and part.stat().st_size > before
            if attempt == _TRIES - 1 or not gained:
                reason = getattr(error, "reason", None) or error
                raise DataError(
                    f"{url}: the download broke off ({reason}). The same command goes on where it stopped; "
                    f"{_by_hand(path)}"
                ) from error
        except OSError as error:
            raise write_error(part, error) from error
    raise DataError(f"{url}: the connection broke off {_TRIES} times; the same command goes on where it stopped")


def _fetch(url: str, part: Path, tell: Progress | None, timeout: float) -> bool:
    """One attempt; whether the file is complete."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to fetch, or the part is longer than the file
            total = int((error.headers.get("Content-Range") or "*/0").rpartition("/")[2] or 0)
            if total == have:
                return True
            part.unlink()
            return False
        raise
    with response, open(part, "ab" if response.status == 206 else "wb") as file:
        have = have if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        while block := response.read(_BLOCK):
            file.write(block)
            have += len(block)
            if tell is not None:
                tell(have, total)
    return total == 0 or have == total


def check_hash(url: str, path: Path, root: Path) -> tuple[str, bool]:
    """(sha256 of the file, whether it was known before); the first download of a URL is recorded in `root`.

    Raises DataError where the file differs from what was recorded.
    """
    found = file_sha256(path)
    record = root / RECORD
    known = _recorded(record)
    if url in known:
        if known[url]["sha256"] != found:
            raise DataError(
                f"{path}: sha256 {found} differs from {known[url]['sha256']}, which {record} has of an earlier "
                "download. Delete the file to fetch it again, or the entry if the authors published a new version"
            )
        return found, True
    known[url] = {"sha256": found, "bytes": path.stat().st_size}
    write_bytes(record, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())
    return found, False


def _recorded(record: Path) -> dict[str, dict[str, object]]:
    """URL -> digest and size of earlier downloads. Raises DataError where the file is damaged."""
    if not record.is_file():
        return {}
    text = read_text(record)
    with contextlib.suppress(ValueError):
        known = json.loads(text)
        if isinstance(known, dict) and all(isinstance(e, dict) and "sha256" in e for e in known.values()):
            return known
    raise DataError(
        f"{record}: damaged: downloads cannot be checked against it. Repair it, or delete it to record them anew"
    )


def _by_hand(path: Path) -> str:
    return f"or fetch it by hand and put it at {path}"
