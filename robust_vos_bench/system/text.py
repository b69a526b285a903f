"""Reading text files that somebody else wrote."""

from __future__ import annotations

from pathlib import Path

from robust_vos_bench.errors import DataError, RvosError


def read_text(path: Path, error: type[RvosError] = DataError) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; any line ending becomes "\\n".

    Raises `error`, naming the file and what to do, where it cannot be read or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as problem:
        raise error(f"{path}: no such file") from problem
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror or problem})") from problem
    return decode_text(data, str(path), error)


def decode_text(data: bytes, name: str, error: type[RvosError] = DataError) -> str:
    """The same for the bytes of a file; `name` is what errors call it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"\0" in data[:200]):
        raise error(f"{name}: not UTF-8 text but UTF-16, or no text at all; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise error(
            f"{name}: not UTF-8 text (byte 0x{data[problem.start]:02x} in line {line}; Latin-1?); save it as UTF-8"
        ) from problem
    return text.replace("\r\n", "\n").replace("\r", "\n")
