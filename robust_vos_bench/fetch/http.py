"""A file by HTTP, going on where it broke off, as long as the server still has the same file."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robust_vos_bench.fetch.links import Tell
from robust_vos_bench.fetch.problems import FetchError
from robust_vos_bench.system.atomic import write_error
from robust_vos_bench.version import __version__

_BLOCK = 1 << 20
_TRIES = 5
_BUSY = frozenset({429, 500, 502, 503, 504})
"""Answers of a server that may answer otherwise in a moment."""
_WAITS = (1.0, 4.0)
"""Seconds before such a server is asked again."""


def receive(
    url: str,
    part: Path,
    tell: Tell = lambda done, total: None,
    timeout: float = 30.0,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Bring the whole file behind `url` to `part`, going on behind the bytes that are there.

    What tells this file from another one under the same address (its ETag or date, and its size) is kept beside the
    part; where the server has another file by now, it is fetched from the start. Drops of the connection are retried
    as long as bytes arrive. headers: sent to this server only, not to one that it redirects to.
    Raises FetchError with the address, what happened and what to do; what arrived stays in `part`.
    """
    waits = list(_WAITS)
    for attempt in range(_TRIES):
        before = _size(part)
        try:
            if _attempt(url, part, tell, timeout, headers or {}):
                _note(part).unlink(missing_ok=True)
                return
        except _AnotherFile:
            forget(part)
            continue
        except urllib.error.HTTPError as error:
            if error.code not in _BUSY or not waits:
                raise FetchError(f"{url}: the server answered {error.code} {error.reason}") from error
            time.sleep(waits.pop(0))
            continue
        except (OSError, http.client.HTTPException) as error:  # of the network: those of the disk are WriteErrors
            if attempt == _TRIES - 1 or _size(part) <= before:
                reason = getattr(error, "reason", None) or error
                raise FetchError(f"{url}: the download broke off ({reason or type(error).__name__})") from error
            continue
        if _size(part) <= before:
            break
    raise FetchError(f"{url}: the download broke off: fewer bytes arrive than the server announces")


def forget(part: Path) -> None:
    """Delete a part and what was noted about it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


class _AnotherFile(Exception):
    """The part is of a file that the server does not have any more."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from an encrypted address to a plain one."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise FetchError(f"{req.full_url}: refused: it redirects to an address that is not encrypted, {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _attempt(url: str, part: Path, tell: Tell, timeout: float, headers: Mapping[str, str]) -> bool:
    """One request; whether the file is complete."""
    noted = _noted(part)
    have = _size(part)
    asked = {"User-Agent": f"rvos-bench/{__version__}", "Accept-Encoding": "identity"}
    if have:
        asked["Range"] = f"bytes={have}-"
        if noted.get("validator"):
            asked["If-Range"] = noted["validator"]
    request = urllib.request.Request(url, headers=asked)
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to fetch, or the part is longer than the file
            total = _number((error.headers.get("Content-Range") or "").rpartition("/")[2])
            if total == have and noted.get("total") in (None, 0, total):
                return True
            raise _AnotherFile from error
        raise
    with response:
        _refuse_page(url, response)
        length = _number(response.headers.get("Content-Length"))
        if response.status == 206:
            total = have + length if length else 0
            start = (response.headers.get("Content-Range") or f"bytes {have}-").removeprefix("bytes ").partition("-")[0]
            if _number(start) != have or noted.get("total", total) != total:
                raise _AnotherFile
        else:
            have, total = 0, length
            with _writing(part):
                part.write_bytes(b"")
                _note(part).write_text(json.dumps({"validator": _validator(response.headers), "total": total}))
        tell(have, total)
        while block := response.read(_BLOCK):
            with _writing(part), open(part, "ab") as file:
                file.write(block)
            have += len(block)
            tell(have, total)
    return total == 0 or have == total


@contextlib.contextmanager
def _writing(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(part, error) from error


def _refuse_page(url: str, response: Any) -> None:
    if (response.headers.get_content_type() or "") == "text/html":
        raise FetchError(f"{url}: the server answered with a web page instead of the file")


def _validator(headers: Any) -> str:
    """A strong ETag, else the date of the last change: what `If-Range` takes."""
    etag = headers.get("ETag") or ""
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified") or ""


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdigit() else 0


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _noted(part: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(_note(part).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}
