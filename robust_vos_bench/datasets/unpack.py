"""Unpacking zips and tars without trusting them: nothing is written outside the target folder."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from robust_vos_bench.errors import DataError
from robust_vos_bench.system.atomic import make_folder, write_bytes

_LARGEST_MEMBER = 1 << 30
"""Bytes; no frame or mask comes near it."""
_BLOWN_UP = 200
"""Unpacked bytes per byte of an archive beyond which it is refused: pictures hardly shrink, lists and masks a lot."""
_SLACK = 64 << 20
"""Bytes that any archive may unpack to, however small it is."""
_INNER = ("JPEGImages", "Annotations", "ImageSets", "JPEGImages_24fps", "Annotations_6fps")
"""Folders of a data set: those above them are left out, they are not."""
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
)


@dataclass(frozen=True)
class _Member:
    """One file of an archive."""

    name: str
    size: int
    crc: int | None
    """Of its bytes, where the archive says it."""


def unpack(archive: Path, folder: Path, tell: Callable[[int, int], None] | None = None) -> int:
    """Unpack a zip or tar (also .gz, .bz2, .xz) into `folder`, without the folders around the data set; returns the
    number of files.

    Files that are there already with the same bytes are kept, so that an interrupted unpacking goes on. tell: called
    with (files done, files in all). Raises DataError, naming the archive and the member, for anything that is damaged,
    would leave the folder (absolute paths, "..", links, devices), or would take more space than there is or than such
    data takes, before anything is written.
    """
    with _readable(archive):
        members = _members(archive)
        targets = dict(zip((member.name for member in members), _targets(archive, members)))
        _check_space(archive, folder, members, targets)
        for done, (member, data) in enumerate(_contents(archive, members, lambda m: folder / targets[m.name])):
            path = folder / targets[member.name]
            if data is not None:
                make_folder(path.parent)
                _check_inside(archive, member, path, folder)
                write_bytes(path, data, durable=False)
            if tell is not None:
                tell(done + 1, len(members))
    return len(members)


def is_whole(archive: Path) -> None:
    """Raise DataError where a file is no zip or tar, or a zip that is cut off; members are looked at when unpacked."""
    try:
        if not zipfile.is_zipfile(archive):
            with tarfile.open(archive, "r:*") as file:
                file.next()
            return
        with zipfile.ZipFile(archive):
            pass
    except _DAMAGE as error:
        raise DataError(f"{archive}: damaged archive ({error})") from error


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        kind = "zip" if archive.suffix == ".zip" else "archive"
        raise DataError(f"{archive}: damaged {kind} ({error}); delete it and download it again") from error
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror or error})") from error


def _members(archive: Path) -> list[_Member]:
    """The files of an archive, all of them checked. Of a compressed tar this reads everything once."""
    most = archive.stat().st_size * _BLOWN_UP + _SLACK
    found: dict[str, _Member] = {}
    total = 0
    for name, size, kind, crc in _listed(archive):
        if kind not in (0, stat.S_IFREG):
            raise DataError(f"{archive}: refused: member {name!r} is a link or device, not a file")
        if size > _LARGEST_MEMBER:
            raise DataError(
                f"{archive}: refused: member {name!r} would take {size} bytes, {_LARGEST_MEMBER} are allowed"
            )
        total += size
        if total > most:
            raise DataError(
                f"{archive}: refused: it would unpack to over {most / 2**30:.2f} GiB, {_BLOWN_UP} times its own size"
            )
        if name in found and crc is None:
            raise DataError(f"{archive}: refused: member {name!r} is there twice")
        found[name] = _Member(name, size, crc)  # of a name that is in a zip twice the last one counts
    return list(found.values())


def _listed(archive: Path) -> Iterator[tuple[str, int, int, int | None]]:
    """(name, bytes, kind of file as in `stat`, checksum) of every member that is no folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    yield entry.filename, entry.file_size, stat.S_IFMT(entry.external_attr >> 16), entry.CRC
        return
    with tarfile.open(archive, "r|*") as tarred:
        for member in tarred:
            if not member.isdir():
                kind = stat.S_IFREG if member.isreg() else stat.S_IFLNK
                yield member.name.removeprefix("./"), member.size, kind, None


def _contents(
    archive: Path, members: Sequence[_Member], place: Callable[[_Member], Path]
) -> Iterator[tuple[_Member, bytes | None]]:
    """Every member with its bytes; None where it lies in its place already."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for member in members:
                yield member, None if _is_there(place(member), member) else zipped.read(member.name)
        return
    wanted = {member.name: member for member in members}
    with tarfile.open(archive, "r|*") as tarred:
        for entry in tarred:
            name = entry.name.removeprefix("./")
            if name not in wanted or not entry.isreg():
                continue
            member = wanted[name]
            file = tarred.extractfile(entry)
            data = b"" if file is None else file.read()
            if len(data) != entry.size:
                raise EOFError(f"member {entry.name!r} is cut off")
            path = place(member)  # a tar has no checksums
            there = path.is_file() and not path.is_symlink() and path.stat().st_size == len(data)
            yield member, None if there and path.read_bytes() == data else data


def _targets(archive: Path, members: Sequence[_Member]) -> list[PurePosixPath]:
    paths = []
    for member in members:
        name = member.name
        path = PurePosixPath(name)
        if path.is_absolute() or "\\" in name or ":" in name or ".." in path.parts or "\0" in name or not path.parts:
            raise DataError(f"{archive}: refused: member {name!r} would be written outside the folder")
        paths.append(path)
    while True:
        tops = {path.parts[0] for path in paths}
        if len(tops) != 1 or tops & set(_INNER) or any(len(path.parts) < 2 for path in paths):
            return paths
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]


def _check_inside(archive: Path, member: _Member, path: Path, folder: Path) -> None:
    """A link that was in the folder before must not lead a member out of it."""
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{archive}: refused: {path.parent} is a link that leads out of {folder} ({member.name!r})")


def _is_there(path: Path, member: _Member) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != member.size:
        return False
    return zlib.crc32(path.read_bytes()) == member.crc


def _check_space(archive: Path, folder: Path, members: Sequence[_Member], targets: dict[str, PurePosixPath]) -> None:
    """Room for what is not there yet, so that an unpacking that goes on does not ask for the whole size again."""
    make_folder(folder)
    needed = sum(member.size for member in members if not (folder / targets[member.name]).exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: unpacking {archive.name} needs {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; "
            "choose another --data-root"
        )
