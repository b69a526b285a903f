"""Small videos written to disk for the tests of data sets."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust_vos_bench.datasets.images import write_mask


def picture(seed: int, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """A smooth picture with some texture, RGB uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    base = np.stack([x * 3 + seed * 5, y * 4, x + y + seed * 9], -1) + rng.integers(0, 40, (*size, 3))
    return (base % 256).astype(np.uint8)


def boxes(ids: Sequence[int], t: int = 0, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """A mask with one small box an id, moving with t."""
    mask = np.zeros(size, np.uint8)
    for k, i in enumerate(ids):
        row, column = (k // 6) * 8 + 1, (k % 6) * 10 + t % 3
        mask[row : row + 7, column : column + 8] = i
    return mask


def write_video(
    root: Path,
    name: str,
    masks: Mapping[str, NDArray[np.uint8]],
    stems: Sequence[str],
    size: tuple[int, int] = (48, 64),
    suffix: str = ".jpg",
    frames_folder: str = "JPEGImages",
    masks_folder: str = "Annotations",
) -> None:
    """Frames and annotations of one video."""
    (root / frames_folder / name).mkdir(parents=True)
    (root / masks_folder / name).mkdir(parents=True)
    for k, stem in enumerate(stems):
        Image.fromarray(picture(k, size)).save(root / frames_folder / name / f"{stem}{suffix}")
    for stem, mask in masks.items():
        write_mask(root / masks_folder / name / f"{stem}.png", mask)


def write_bomb(path: Path) -> None:
    """A PNG of a few bytes that says it is 30000 x 30000, more than Pillow agrees to decode."""
    chunks = b""
    for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def numbers(count: int, step: int = 1) -> list[str]:
    """Frame stems "00000", "00001", ..."""
    return [f"{t * step:05d}" for t in range(count)]
