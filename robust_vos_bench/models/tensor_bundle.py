"""Reads TensorFlow's checkpoints (`NAME.index` beside `NAME.data-00000-of-00001`) without TensorFlow.

The index is a table in the format of LevelDB: names and, as protocol buffers, type, shape, place and checksum of each
tensor. The data files hold the numbers alone. Nothing in either can be run. Format: tensorflow/core/util/tensor_bundle
and tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import struct
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.file_kinds import plain
from robust_vos_bench.models.tensor_bundle_bytes import fields, masked_crc32c, varint

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
"""The last eight bytes of an index."""
_FOOTER = 48
_TYPES = dict(
    [(1, "<f4"), (2, "<f8"), (3, "<i4"), (4, "u1"), (5, "<i2"), (6, "i1"), (9, "<i8"), (10, "?")]
    + [(14, "<u2"), (17, "<u2"), (19, "<f2"), (22, "<u4"), (23, "<u8")]
)
"""TensorFlow's numbers of types that are plain numbers. 14 is bfloat16, which becomes float32."""
_BFLOAT16 = 14
_LARGEST_ARCHIVED = 16 << 30
"""Bytes that files of an archive may have when unpacked."""
_DAMAGED = "Download it again, and compare its size with what the page of the download says."


@dataclass(frozen=True)
class Entry:
    """Where the numbers of one tensor lie."""

    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int | None
    sliced: bool


def is_index(path: Path) -> bool:
    """Whether a file is the index of a checkpoint, by its end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8))
            return size >= _FOOTER and file.read() == MAGIC
    except OSError:
        return False


def index_of(path: Path) -> Path | None:
    """The index that is meant by an index, a data file beside it, or their common beginning; None for all else."""
    stem = path.name.partition(".data-")[0].removesuffix(".index").removesuffix(".meta")
    for candidate in (path, path.with_name(f"{stem}.index")):
        if candidate.is_file() and is_index(candidate):
            return candidate
    return None


def index_in_archive(path: Path) -> str | None:
    """The name of the one index in a tar archive, packed or not; None where it is no archive or has none.

    Raises WeightsError for an archive with several.
    """
    try:
        with tarfile.open(path) as archive:
            found = [m.name for m in archive if m.isreg() and m.name.endswith(".index") and not _hidden(m.name)]
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return None
    if len(found) > 1:
        shown = ", ".join(plain(name, 80) for name in found[:5])
        raise WeightsError(f"{path}: holds several checkpoints ({shown}). Unpack it and give the index of one")
    return found[0] if found else None


def _hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The index of the checkpoint at a path, unpacked into a temporary folder where it is in an archive.

    Raises WeightsError where there is no checkpoint of TensorFlow.
    """
    index = index_of(path)
    if index is not None:
        yield index
        return
    name = index_in_archive(path)
    if name is None:
        raise WeightsError(f"{path}: no checkpoint of TensorFlow (an index, or a tar archive with one)")
    stem = name.removesuffix(".index")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    end = member.name.removeprefix(stem)
                    if member.isreg() and member.name.startswith(stem) and (end == ".index" or _is_shard(end)):
                        if member.size > _LARGEST_ARCHIVED:
                            raise WeightsError(f"{path}: {plain(member.name, 80)} in it has {member.size} bytes")
                        packed = archive.extractfile(member)
                        assert packed is not None
                        with packed, (Path(folder) / f"checkpoint{end}").open("wb") as file:
                            shutil.copyfileobj(packed, file, 1 << 20)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise WeightsError(f"{path}: damaged ({plain(error)}). {_DAMAGED}") from error
        except OSError as error:  # gzip tells of its checksum so
            raise WeightsError(f"{path}: cannot be unpacked ({plain(error)}). {_DAMAGED}") from error
        yield Path(folder) / "checkpoint.index"


def _is_shard(end: str) -> bool:
    first, _, count = end.removeprefix(".data-").partition("-of-")
    return end.startswith(".data-") and first.isdigit() and count.isdigit()


def read_bundle(index: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Name -> array of a checkpoint, and the names of what is no plain number (texts), which is left out.

    Every checksum is compared. Raises WeightsError for a damaged or cut off file, and for what is not supported.
    """
    shards, entries = read_index(index)
    strays = [name for name, entry in entries.items() if entry.shard >= shards]
    if strays:
        raise WeightsError(f"{index}: {plain(strays[0], 100)} is in a data file beyond the {shards} that it tells of")
    left_out = [name for name, entry in entries.items() if entry.kind not in _TYPES]
    found: dict[str, NDArray[Any]] = {}
    stem = str(index).removesuffix(".index")
    for shard in range(shards):
        path = Path(f"{stem}.data-{shard:05d}-of-{shards:05d}")
        own = {n: e for n, e in entries.items() if e.shard == shard and e.kind in _TYPES}
        if own and not path.is_file():
            raise WeightsError(f"{index}: its numbers are in {path.name}, which is not beside it")
        held = np.memmap(path, np.uint8, "r") if own and path.stat().st_size else np.zeros(0, np.uint8)
        for name, entry in own.items():
            found[name] = _tensor(f"{path}: {plain(name, 100)}", entry, held)
    return {name: found[name] for name in entries if name in found}, left_out


def _tensor(what: str, entry: Entry, held: NDArray[np.uint8]) -> NDArray[Any]:
    if entry.sliced:
        raise WeightsError(f"{what} is stored in slices, which is not supported")
    kind = np.dtype(_TYPES[entry.kind])
    raw = held[entry.offset : entry.offset + entry.size]
    count = math.prod(entry.shape)
    if len(raw) != entry.size or entry.size != count * kind.itemsize:
        raise WeightsError(f"{what}: {len(raw)} bytes where its shape {entry.shape} needs {count * kind.itemsize}")
    if entry.crc is not None and masked_crc32c(raw) != entry.crc:
        raise WeightsError(f"{what}: damaged: its checksum does not fit. {_DAMAGED}")
    array: NDArray[Any] = np.frombuffer(raw.tobytes(), kind).reshape(entry.shape)
    return (array.astype(np.uint32) << 16).view(np.float32) if entry.kind == _BFLOAT16 else array


def read_index(path: Path) -> tuple[int, dict[str, Entry]]:
    """Number of data files, and the entry of every tensor by name. Raises WeightsError for a damaged file."""
    data = path.read_bytes()
    if len(data) < _FOOTER or data[-8:] != MAGIC:
        raise WeightsError(f"{path}: no index of a TensorFlow checkpoint, or one that was cut off")
    try:
        footer = data[-_FOOTER:]
        at = 0
        numbers = []
        for _ in range(4):  # the metaindex block, of no use here, then the index block: offset and size each
            number, at = varint(footer, at)
            numbers.append(number)
        shards, entries = 0, {}
        for _, handle in _pairs(_block(data, numbers[2], numbers[3], path)):
            offset, at = varint(handle, 0)
            size, _ = varint(handle, at)
            for key, value in _pairs(_block(data, offset, size, path)):
                if key:
                    entries[key.decode()] = _entry(value)
                else:
                    shards = _shards(value, path)
    except WeightsError:
        raise
    except (IndexError, ValueError, UnicodeDecodeError, struct.error) as error:
        raise WeightsError(
            f"{path}: a damaged index of a TensorFlow checkpoint ({plain(error)}). {_DAMAGED}"
        ) from error
    if not shards:
        raise WeightsError(f"{path}: a table without the header of a TensorFlow checkpoint")
    return shards, entries


def _block(data: bytes, offset: int, size: int, path: Path) -> bytes:
    """A block of the table, without its end: one byte for the compression and a checksum."""
    block, end = data[offset : offset + size + 1], data[offset + size + 1 : offset + size + 5]
    if len(end) != 4 or masked_crc32c(np.frombuffer(block, np.uint8)) != struct.unpack("<I", end)[0]:
        raise WeightsError(f"{path}: damaged: a checksum does not fit. {_DAMAGED}")
    if block[-1]:
        raise WeightsError(f"{path}: a compressed index, which TensorFlow does not write; not supported")
    return block[:-1]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys, each written as what differs from the one before, and values."""
    restarts = struct.unpack("<I", block[-4:])[0]
    end, at, key = len(block) - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size


def _entry(value: bytes) -> Entry:
    """BundleEntryProto: dtype, shape, shard, offset, size, checksum, slices."""
    given: dict[int, Any] = {}
    for field, content in fields(value):
        given[field] = content
    sizes = []
    for field, dim in fields(given.get(2, b"")):
        if field == 2:
            sizes.append(next((int(size) for part, size in fields(dim) if part == 1), 0))
    return Entry(
        given.get(1, 0), tuple(sizes), given.get(3, 0), given.get(4, 0), given.get(5, 0), given.get(6), 7 in given
    )


def _shards(value: bytes, path: Path) -> int:
    """BundleHeaderProto: number of data files, and their byte order."""
    header = dict(fields(value))
    if header.get(2, 0) != 0:
        raise WeightsError(f"{path}: numbers in big-endian order, which is not supported")
    shards: int = header.get(1, 0)
    if not 0 < shards <= 100_000:
        raise ValueError(f"{shards} data files")
    return shards
