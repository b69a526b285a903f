"""Files that are there whole or not at all: written beside the target, flushed to the disk, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from robust_vos_bench.errors import DataError

PART = ".part"
"""Ending of files that are being written; they start with a dot and may be deleted when nobody writes."""


class WriteError(DataError):
    """A file or folder cannot be written (full disk, read-only folder ...)."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name of a new file beside `path`, for the block to write; at its end it takes the place of `path`.

    Raises WriteError, naming `path`, where it cannot be written; the old file, if any, is then untouched and nothing is
    left beside it, whatever the block raises.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PART}")
    try:
        yield part
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise write_error(path, error) from error
        raise


def write_bytes(path: Path, data: bytes, durable: bool = True) -> None:
    """Write `data` to `path` atomically; the folder must exist. durable: wait until the disk has it.

    Raises WriteError, naming the file, where it cannot be written (full disk, read-only folder, no such folder);
    the old file, if any, is then untouched and nothing is left beside it.
    """
    write_parts(path, (data,), durable)


def write_parts(path: Path, parts: Iterable[bytes], durable: bool = True) -> None:
    """`write_bytes` of what need not fit into memory: its parts, one after the other."""
    with replacing(path) as part, open(part, "xb") as file:
        for data in parts:
            file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, without which a new file is lost with the power, however well its
    bytes were flushed. Does nothing where folders cannot be flushed (Windows, some network shares)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_parts(folder: Path) -> None:
    """Delete what writers that were killed have left in a folder; nobody else may write there now."""
    for path in folder.glob(f".*{PART}"):
        with contextlib.suppress(OSError):
            path.unlink()


def make_folder(path: Path) -> None:
    """Create a folder and its parents. Raises WriteError, naming it, where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> WriteError:
    """The error for a failed write: what, where, and what to do."""
    advice = {
        errno.ENOSPC: "the disk is full; free some space and run the same command again",
        getattr(errno, "EDQUOT", -1): "the disk quota is used up; free some space and run the same command again",
        errno.EFBIG: "it would be larger than files may be here (ulimit -f, or the file system)",
        errno.EROFS: "the file system is read-only; choose another --output",
        errno.EACCES: "no permission to write there; choose another --output",
        errno.EPERM: "no permission to write there; choose another --output",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EEXIST: "it is a file, not a folder",
        errno.ENOENT: "the folder does not exist",
    }.get(error.errno or 0, error.strerror or str(error))
    return WriteError(f"{path}: cannot be written: {advice}")
