"""The still images that clips are made from: ECSSD, held in memory on square canvases, with a fixed hold-out."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robust_vos_bench.errors import DataError
from training.noisy import SEVERITY, spoilt

CANVAS = 400
"""Side of the canvas in pixels; no ECSSD image is larger."""
HELD_OUT_EVERY = 20
"""Every twentieth image (in order of file names) is kept for validation clips and never trained on: 50 of 1,000."""


@dataclass(frozen=True)
class Stills:
    """Images with the masks of their salient objects."""

    images: Tensor
    """uint8 n x 3 x CANVAS x CANVAS, RGB; mirrored beyond the picture's own border."""
    masks: Tensor
    """uint8 n x CANVAS x CANVAS: bit 0 the object, bit 1 the object and its mirror images beyond the border."""
    sizes: Tensor
    """int64 n x 2: height and width of each picture, in the upper left corner of its canvas."""
    boxes: Tensor
    """float32 n x 4: centre y, x and half height, half width of the object's box in pixels."""
    digest: str
    """Hex sha256 over the names and bytes of the files."""

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: str) -> Stills:
        """The same on a device."""
        return Stills(
            self.images.to(device), self.masks.to(device), self.sizes.to(device), self.boxes.to(device), self.digest
        )


def find_data(given: Path | None) -> Path:
    """The ECSSD folder: the given one, or `data/ECSSD` under `$RVOS_BENCH_SHARED`. Raises DataError."""
    folder = given
    if folder is None and os.environ.get("RVOS_BENCH_SHARED"):
        folder = Path(os.environ["RVOS_BENCH_SHARED"]) / "data" / "ECSSD"
    if folder is None or not (folder / "images").is_dir() or not (folder / "masks").is_dir():
        raise DataError(
            f"ECSSD not found{'' if folder is None else f' in {folder}'}: give the folder that holds images/ and "
            "masks/ with --data, or set RVOS_BENCH_SHARED to the folder that holds data/ECSSD"
        )
    return folder


def load_stills(
    folder: Path, held_out: bool, limit: int | None = None, subset: int = 0, spoil: str = "sound"
) -> Stills:
    """The training images, or those held out for validation; `limit` keeps the first ones only (for tests).

    subset: this many of them, chosen by their names alone (0: all). spoil: how masks are spoilt (`training/noisy.py`).
    """
    files = sorted((folder / "images").glob("*.jpg"))
    files = [f for i, f in enumerate(files) if (i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out][:limit]
    if not files:
        raise DataError(f"{folder / 'images'}: no .jpg file")
    if subset > len(files):
        raise DataError(f"{folder / 'images'}: {len(files)} pictures to train on, {subset} asked for")
    if subset:
        files = sorted(sorted(files, key=_order)[:subset])
    images = np.zeros((len(files), 3, CANVAS, CANVAS), np.uint8)
    masks = np.zeros((len(files), CANVAS, CANVAS), np.uint8)
    sizes, boxes = np.zeros((len(files), 2), np.int64), np.zeros((len(files), 4), np.float32)
    digest = hashlib.sha256(b"" if spoil == "sound" else f"masks {spoil}, severity {SEVERITY}\0".encode())
    for i, file in enumerate(files):
        label = folder / "masks" / f"{file.stem}.png"
        if not label.is_file():
            raise DataError(f"{label}: the mask of {file.name} is missing")
        for part in (file, label):
            digest.update(part.name.encode() + b"\0" + part.read_bytes())
        try:
            image = np.asarray(Image.open(file).convert("RGB"))
            mask = (np.asarray(Image.open(label).convert("L")) > 127).astype(np.uint8)
        except OSError as error:
            raise DataError(f"{file} or its mask cannot be read: {error}") from error
        height, width = mask.shape
        if image.shape[:2] != mask.shape or max(height, width) > CANVAS or not mask.any():
            raise DataError(f"{file}: the image is {image.shape[:2]}, its mask {mask.shape}, at most {CANVAS} a side")
        if spoil != "sound":
            mask = spoilt(mask, spoil, file.stem)
        pads = ((0, CANVAS - height), (0, CANVAS - width))
        images[i] = np.pad(image, (*pads, (0, 0)), mode="symmetric").transpose(2, 0, 1)
        masks[i] = np.pad(mask, pads) + 2 * np.pad(mask, pads, mode="symmetric")
        y, x = np.nonzero(mask)
        top, bottom, left, right = y.min(), y.max() + 1, x.min(), x.max() + 1
        sizes[i] = height, width
        boxes[i] = (top + bottom) / 2, (left + right) / 2, (bottom - top) / 2, (right - left) / 2
    return Stills(
        torch.from_numpy(images),
        torch.from_numpy(masks),
        torch.from_numpy(sizes),
        torch.from_numpy(boxes),
        digest.hexdigest(),
    )


def _order(file: Path) -> str:
    """What subsets are chosen by: a draw that depends on nothing but the name, so that subsets are nested."""
    return hashlib.sha256(f"subset/{file.name}".encode()).hexdigest()
