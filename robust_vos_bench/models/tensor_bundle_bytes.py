"""Bytes of TensorFlow's checkpoints: whole numbers, protocol buffers, and the checksum CRC-32C."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
"""CRC-32C (Castagnoli), bits reversed."""
_ONES = 0xFFFFFFFF
_LANES = 1 << 14
_FEW = 4096


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number of seven bits a byte that begins at `at`, and where the next begins. IndexError past the end."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise ValueError("a number of more than ten bytes")


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and content of the fields of a protocol buffer: int, or bytes for texts and inner messages."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        content: Any
        if kind == 0:
            content, at = varint(message, at)
        elif kind == 2:
            size, at = varint(message, at)
            content, at = message[at : at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            content, at = struct.unpack("<Q" if kind == 1 else "<I", message[at : at + size])[0], at + size
        else:
            raise ValueError(f"a field of kind {kind}")
        if at > len(message):
            raise ValueError("a field beyond the end")
        yield tag >> 3, content


def masked_crc32c(data: NDArray[np.uint8]) -> int:
    """The checksum as LevelDB and TensorFlow store it: turned by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ONES


def crc32c(data: NDArray[np.uint8]) -> int:
    """CRC-32C of bytes: many equal parts side by side, whose checksums are then joined; then what is left over."""
    if len(data) < _FEW:
        return _one_by_one(data)
    lanes = 1
    while lanes < _LANES and len(data) >= 128 * lanes:
        lanes *= 2
    length = len(data) // lanes
    parts = np.ascontiguousarray(data[: lanes * length].reshape(lanes, length).T)
    table = _table()
    crc = np.full(lanes, _ONES, np.uint32)
    for column in parts:
        crc = table[(crc ^ column) & 255] ^ (crc >> 8)
    crc ^= _ONES
    while len(crc) > 1:
        crc = _applied(_shift(length), crc[::2]) ^ crc[1::2]
        length *= 2
    rest = data[length:]
    return int(_applied(_shift(len(rest)), crc)[0]) ^ crc32c(rest)


def _one_by_one(data: NDArray[np.uint8]) -> int:
    table, crc = _table().tolist(), _ONES
    for byte in data.tolist():
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ _ONES


@cache
def _table() -> NDArray[np.uint32]:
    """What one byte does."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


def _applied(matrix: NDArray[np.uint32], values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A linear map of 32 bits, given by what it makes of each bit, applied to values."""
    out = np.zeros_like(values)
    for bit in range(32):
        out ^= np.where(values >> np.uint32(bit) & 1, matrix[bit], 0).astype(np.uint32)
    return out


@lru_cache(256)
def _shift(length: int) -> NDArray[np.uint32]:
    """The map that `length` zero bytes make of a checksum that they follow."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    one = _table()[bits & 255] ^ (bits >> 8)
    found = bits
    while length:
        if length & 1:
            found = _applied(one, found)
        one, length = _applied(one, one), length >> 1
    return found
