"""Unpacking zips without trusting them: nothing is written outside the target folder."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from robust_vos_bench.errors import DataError
from robust_vos_bench.system.atomic import make_folder, write_bytes

_LARGEST_MEMBER = 1 << 30
"""Bytes; no frame or mask comes near it."""


def unpack(archive: Path, folder: Path, tell: Callable[[int, int], None] | None = None) -> int:
    """Unpack a zip into `folder`, without its single top folder if it has one; returns the number of files.

    Files that are there already with the right size and checksum are kept, so that an interrupted unpacking goes
    on. tell: called with (files done, files in all). Raises DataError, naming the archive and the member, for
    anything that is damaged or would leave the folder (absolute paths, "..", links), before anything is written.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            targets = _targets(archive, members)
            _check_space(archive, folder, members, targets)
            for done, (member, target) in enumerate(zip(members, targets)):
                path = folder / target
                if not _is_there(path, member):
                    make_folder(path.parent)
                    _check_inside(archive, member, path, folder)
                    write_bytes(path, file.read(member), durable=False)
                if tell is not None:
                    tell(done + 1, len(members))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{archive}: damaged zip ({error}); delete it and download it again") from error
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror or error})") from error
    return len(members)


def is_whole(archive: Path) -> None:
    """Raise DataError where a file is no zip, or one that is cut off; its members are looked at when unpacked."""
    try:
        with zipfile.ZipFile(archive):
            pass
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DataError(f"{archive}: damaged zip ({error})") from error


def _targets(archive: Path, members: list[zipfile.ZipInfo]) -> list[PurePosixPath]:
    paths = []
    for member in members:
        name = member.filename
        path = PurePosixPath(name)
        mode = member.external_attr >> 16
        if path.is_absolute() or "\\" in name or ":" in name or ".." in path.parts or "\0" in name or not path.parts:
            raise DataError(f"{archive}: refused: member {name!r} would be written outside the folder")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise DataError(f"{archive}: refused: member {name!r} is a link or device, not a file")
        if member.file_size > _LARGEST_MEMBER:
            raise DataError(f"{archive}: refused: member {name!r} would take {member.file_size} bytes")
        paths.append(path)
    tops = {path.parts[0] for path in paths}
    if len(tops) == 1 and all(len(path.parts) > 1 for path in paths):
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    return paths


def _check_inside(archive: Path, member: zipfile.ZipInfo, path: Path, folder: Path) -> None:
    """A link that was in the folder before must not lead a member out of it."""
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{archive}: refused: {path.parent} is a link that leads out of {folder} ({member.filename!r})")


def _is_there(path: Path, member: zipfile.ZipInfo) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != member.file_size:
        return False
    return zlib.crc32(path.read_bytes()) == member.CRC


def _check_space(archive: Path, folder: Path, members: list[zipfile.ZipInfo], targets: list[PurePosixPath]) -> None:
    """Room for what is not there yet, so that an unpacking that goes on does not ask for the whole size again."""
    make_folder(folder)
    needed = sum(member.file_size for member, target in zip(members, targets) if not (folder / target).exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: unpacking {archive.name} needs {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; "
            "choose another --data-root"
        )
