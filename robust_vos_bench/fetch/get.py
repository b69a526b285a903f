"""From a link to a file that is whole and checked; one process fetches it, others wait for it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.errors import RvosError
from robust_vos_bench.fetch.links import DriveFile, DriveFolder, HubFile, Link, Remote, Tell
from robust_vos_bench.fetch.offline import VARIABLE, OfflineError, is_offline
from robust_vos_bench.fetch.problems import ChangedError, FetchError, UnusableError
from robust_vos_bench.fetch.record import Entry, compare_and_record, recorded
from robust_vos_bench.system.atomic import WriteError, make_folder, sync_folder, write_error
from robust_vos_bench.system.hashes import file_sha256
from robust_vos_bench.system.locks import exclusive

Say = Callable[[str], None]
Check = Callable[[Path], None]


@dataclass(frozen=True)
class Fetched:
    """A file that is there."""

    path: Path
    sha256: str
    known: bool
    """Whether the digest was compared with one of the authors or of an earlier download; else it was recorded now."""
    link: Link | None
    """Where it came from; None where it was there already and no link of it is on record."""


def fetch(
    remote: Remote,
    path: Path,
    root: Path,
    *,
    tell: Tell = lambda done, total: None,
    say: Say = lambda text: None,
    check: Check = lambda path: None,
) -> Fetched:
    """The file of `remote` at `path`, fetched unless it is there.

    path: below `root`, whose `downloads.json` has the digests. tell: called with (bytes so far, bytes in all or 0),
    from the first answer of the server on. say: is told, in a line, what takes unexpected turns (another link is tried,
    another process is waited for). check: looks at the bytes of a new file (under another name) and raises an RvosError
    where they are not usable.

    The name `path` appears when everything about the file was checked: its length, that it is no web page, the digest
    of the authors or of an earlier download, `check`. Until then the bytes lie beside it under a hidden name, and a
    later call goes on with them, also after Ctrl-C or a killed process.

    Raises OfflineError where the network is not to be touched, ChangedError where the file differs from what is on
    record, UnusableError where `check` refuses it, WriteError where it cannot be written, FetchError otherwise.
    """
    if path.is_file():
        return verify_file(remote, path, root)
    if is_offline():
        raise OfflineError(f"{path} is not here, and {VARIABLE} (or --offline) forbids the network")
    if not remote.links:
        raise FetchError(f"{path} is not here, and nobody publishes it")
    make_folder(path.parent)
    with _alone(path, say):
        if path.is_file():
            return verify_file(remote, path, root)
        problems: list[FetchError] = []
        for link, following in zip(remote.links, (*remote.links[1:], None)):
            try:
                return _from(link, remote, path, root, tell, check)
            except FetchError as error:
                problems.append(error)
                if following is not None:
                    say(f"{error}. Trying {following.address}")
    worst = next((error for error in problems if isinstance(error, ChangedError)), problems[-1])
    raise type(worst)(f"{'; '.join(map(str, problems))}. {_advice(remote, path)}") from worst


def verify_file(remote: Remote, path: Path, root: Path) -> Fetched:
    """Compare a file that is there with the digest of its authors and with those on record. Raises ChangedError.

    Where neither is known, nothing is recorded: it may have been put there by hand.
    """
    digest = file_sha256(path)
    known = _compare_pinned(remote, path, digest, path)
    before = fetched_before(remote, path, root)
    for link, entry in before:
        if entry.sha256 == digest:
            return Fetched(path, digest, True, link)
    for link, _ in before:
        compare_and_record(link.key, digest, path, path.stat().st_size, root)  # raises
    return Fetched(path, digest, known, None)


def fetched_before(remote: Remote, path: Path, root: Path) -> list[tuple[Link, Entry]]:
    """The links through which the file of this name came, with what is on record of them."""
    found = [(link, entry) for link in remote.links if (entry := recorded(link.key, root)) is not None]
    return [(link, e) for link, e in found if e.file in ("", path.name) or root / e.file == path]


def _from(link: Link, remote: Remote, path: Path, root: Path, tell: Tell, check: Check) -> Fetched:
    part = path.with_name(f".{path.name}.{hashlib.sha256(link.key.encode()).hexdigest()[:8]}.partial")
    room = _Room(part.parent, tell)
    try:
        _receive(link, part, room.told)
        _refuse_page(link, part)
        digest = file_sha256(part)
        known = _compare_pinned(remote, path, digest, part, link)
        _compare_recorded(link, path, digest, root)
        _looked_at(check, part, path, link)
    except (UnusableError, ChangedError):
        _forget(part)  # whole, but wrong: nothing to go on with
        raise
    size = part.stat().st_size
    known = compare_and_record(link.key, digest, path, size, root) or known
    try:
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    sync_folder(path.parent)
    return Fetched(path, digest, known, link)


def _forget(part: Path) -> None:
    from robust_vos_bench.fetch import http

    http.forget(part)


def _receive(link: Link, part: Path, tell: Tell) -> None:
    if isinstance(link, (DriveFile, DriveFolder)):
        from robust_vos_bench.fetch import drive

        drive.receive(link, part, tell)
    elif isinstance(link, HubFile):
        from robust_vos_bench.fetch import hub

        hub.receive(link, part, tell)
    else:
        from robust_vos_bench.fetch import http

        http.receive(link.address, part, tell)


def _refuse_page(link: Link, part: Path) -> None:
    """A page that says what is wrong, sent as if it were the file."""
    with open(part, "rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<script")):
        raise UnusableError(f"{link.address}: the server answered with a web page instead of the file")
    if not part.stat().st_size:
        raise UnusableError(f"{link.address}: the server sent an empty file")


def _compare_pinned(remote: Remote, path: Path, sha256: str, where: Path, link: Link | None = None) -> bool:
    """Whether the authors give a digest; raises ChangedError where the file has another."""
    source = f" from {link.address}" if link is not None else ""
    if remote.sha256 and remote.sha256 != sha256:
        raise ChangedError(f"{path.name}{source}: sha256 {sha256}, but its authors say {remote.sha256}")
    if remote.md5:
        found = _md5(where)
        if found != remote.md5:
            raise ChangedError(f"{path.name}{source}: md5 {found}, but its authors say {remote.md5}")
    return bool(remote.sha256 or remote.md5)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _compare_recorded(link: Link, path: Path, sha256: str, root: Path) -> None:
    before = recorded(link.key, root)
    if before is not None and before.sha256 != sha256:
        raise ChangedError(
            f"{path.name} from {link.address}: the file there has changed: sha256 {sha256}, but {before.sha256} when "
            f"it was first fetched (on record in {root}). If the authors published a new version, delete that entry "
            "from downloads.json"
        )


def _looked_at(check: Check, part: Path, path: Path, link: Link) -> None:
    try:
        check(part)
    except RvosError as error:
        said = str(error).replace(str(part), path.name).replace(part.name, path.name)
        raise UnusableError(f"{link.address}: what arrived cannot be used: {said}") from error


def _advice(remote: Remote, path: Path) -> str:
    places = " or ".join(link.address for link in remote.links)
    return (
        "The same command tries again, and goes on where it stopped if something was kept; or open "
        f"{places} in a browser and put the file at {path}"
    )


class _Room:
    """Passes progress on, and refuses at its first word what does not fit on the disk."""

    def __init__(self, folder: Path, tell: Tell) -> None:
        self._folder, self._tell, self._asked = folder, tell, False

    def told(self, done: int, total: int) -> None:
        if total and not self._asked:
            self._asked = True
            free = shutil.disk_usage(self._folder).free
            if total - done > free:
                raise WriteError(
                    f"{self._folder}: the file needs {(total - done) / 2**20:.0f} MiB more, {free / 2**20:.0f} MiB are "
                    "free; free some space and run the same command again"
                )
        self._tell(done, total)


class _Busy(RvosError):
    """Another process fetches the file."""


@contextlib.contextmanager
def _alone(path: Path, say: Say) -> Iterator[None]:
    """Hold the lock of a file; says so where another process has to be waited for."""
    lock = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(exclusive(lock, busy=_Busy))
        except _Busy as other:
            say(f"waiting for another process that fetches {path.name} ({other})")
            held.enter_context(exclusive(lock))
        yield
