"""The container of a PNG file: its chunks, every checksum verified."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from robust_vos_bench.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""The first eight bytes of every PNG file."""


def chunks(data: bytes, name: str) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, stop) of each chunk up to and including IEND; its content is data[start:stop].

    `name` is what errors call the file. Raises DataError where it is cut off or a checksum (CRC-32) does not fit.
    The caller has checked that `data` begins with `SIGNATURE`.
    """
    at = len(SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise DataError(f"{name}: truncated PNG: it ends after {len(data)} bytes without its end chunk")
        start = at + 8
        stop = start + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : start]
        if stop + 4 > len(data):
            raise DataError(f"{name}: truncated PNG: chunk {kind!r} needs {stop + 4} bytes, the file has {len(data)}")
        if zlib.crc32(data[at + 4 : stop]) != int.from_bytes(data[stop : stop + 4], "big"):
            raise DataError(f"{name}: damaged PNG: wrong checksum in chunk {kind!r} at byte {at}")
        yield kind, start, stop
        if kind == b"IEND":
            return
        at = stop + 4
