"""Strict reading of label masks: palette indices or grey values of a PNG, every checksum checked.

The compiled reader (`kernels.read_png`) reads plain files and leaves all others to this one, which reads unusual files
(other bit depths, interlacing, any filter) as Pillow does and says what is wrong with damaged ones.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.png import SIGNATURE, chunks
from robust_vos_bench.errors import DataError

_KINDS = {2: "an RGB", 4: "a grey with alpha", 6: "an RGBA"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
"""First row, row step, first column, column step of each pass of an interlaced image."""
_LARGEST = 1 << 26


def read_index(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A mask file as uint8 (H, W): the palette index of each pixel, or its grey value as Pillow gives it.

    Raises DataError, naming the file, for a missing, damaged, multi-channel or 16-bit file and for another size.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such mask") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    return decode_index(data, str(path), size)


def decode_index(data: bytes, name: str, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """The same for the bytes of a file; `name` is what errors call it."""
    header, stream = _chunks(data, name)
    width, height, depth, kind, _, _, interlaced = header
    if kind in _KINDS:
        raise DataError(f"{name}: {_KINDS[kind]} image; a mask has one channel (palette or grey PNG of object ids)")
    if depth == 16:
        raise DataError(f"{name}: a 16-bit image; a mask has at most 8 bits per pixel")
    if size is not None and (height, width) != size:
        raise DataError(f"{name}: {width} x {height} pixels (width x height), expected {size[1]} x {size[0]}")
    expected = sum((1 + (w * depth + 7) // 8) * h for h, w in _passes(height, width, interlaced) if w and h)
    raw = _inflate(stream, expected, name)
    if depth == 8 and not interlaced:
        rows = np.frombuffer(raw, np.uint8).reshape(height, width + 1)
        methods = rows[:, 0]
        if methods.max() == 0:
            return rows[:, 1:].copy()
        if methods.max() <= 2:
            return _unfilter(rows, methods)
    return _pillow(data, name, (height, width))


def _chunks(data: bytes, name: str) -> tuple[tuple[int, ...], bytes]:
    """Header fields and the joined image data; every chunk's checksum is verified."""
    if not data:
        raise DataError(f"{name}: an empty file")
    if data[:8] != SIGNATURE:
        raise DataError(f"{name}: not a PNG file")
    parts: list[bytes] = []
    header: tuple[int, ...] | None = None
    for kind, start, stop in chunks(data, name):
        if header is None:
            if kind != b"IHDR" or stop - start != 13:
                raise DataError(f"{name}: damaged PNG (does not start with a header)")
            header = struct.unpack_from(">IIBBBBB", data, start)
        elif kind == b"IDAT":
            parts.append(data[start:stop])
    if header is None:
        raise DataError(f"{name}: damaged PNG (no header)")
    width, height, depth, colours, compression, filters, interlaced = header
    depths = {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(colours, (8, 16))
    if not width or not height or colours not in _CHANNELS or depth not in depths or compression or filters:
        raise DataError(f"{name}: damaged PNG (header {header})")
    if interlaced > 1:
        raise DataError(f"{name}: damaged PNG (header {header})")
    if width * height > _LARGEST:
        raise DataError(f"{name}: {width} x {height} pixels; no mask is that large")
    if not parts:
        raise DataError(f"{name}: damaged PNG (no image data)")
    return header, b"".join(parts)


def _passes(height: int, width: int, interlaced: int) -> list[tuple[int, int]]:
    """(rows, columns) of each pass; one where the image is not interlaced."""
    if not interlaced:
        return [(height, width)]
    return [(len(range(y, height, dy)), len(range(x, width, dx))) for y, dy, x, dx in _ADAM7]


def _inflate(stream: bytes, expected: int, name: str) -> bytes:
    """Exactly `expected` bytes of a zlib stream that ends there with a fitting Adler-32."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(stream, expected)
        while not inflater.eof:
            more = inflater.decompress(inflater.unconsumed_tail, 1)
            if more:
                raise DataError(f"{name}: damaged PNG (more image data than its size allows)")
            if not inflater.eof and not inflater.unconsumed_tail:
                raise DataError(f"{name}: damaged PNG (its image data end early)")
    except zlib.error as error:
        raise DataError(f"{name}: damaged PNG ({error})") from error
    if len(raw) != expected:
        raise DataError(f"{name}: damaged PNG (its image data end early)")
    return raw


def _unfilter(rows: NDArray[np.uint8], methods: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo the filters none (0), sub (1) and up (2) of 8-bit rows."""
    out = rows[:, 1:].copy()
    for y, method in enumerate(methods.tolist()):
        if method == 1:
            np.cumsum(out[y], dtype=np.uint8, out=out[y])
        elif method == 2 and y:
            out[y] += out[y - 1]
    return out


def _pillow(data: bytes, name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """What Pillow makes of a file whose checksums are known to be right."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            mask = np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: damaged PNG ({error})") from error
    if mask.ndim != 2 or mask.dtype not in (np.uint8, np.bool_) or mask.shape != size:
        raise DataError(f"{name}: not a label mask (Pillow reads {mask.dtype} {mask.shape})")
    return mask.astype(np.uint8)
