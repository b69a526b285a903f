"""The videos of the video stage: DAVIS 2016 train, every second frame; three are watched and never trained on.

Files are read once, checked and kept as they are (some 40 MB); frames are decoded when a clip is made.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robust_vos_bench.errors import DataError

NEVER = frozenset(
    """
    blackswan bmx-trees breakdance camel car-roundabout car-shadow cows dance-twirl dog drift-chicane drift-straight
    goat horsejump-high kite-surf libby motocross-jump paragliding-launch parkour scooter-black soapbox
    """.split()  # noqa: SIM905 -- a list of names reads better than twenty quoted ones
)
"""The validation split of DAVIS 2016: no training reads them."""
SHARED_PLACES = {
    "bmx-bumps": "bmx-trees",
    "car-turn": "car-roundabout",
    "drift-turn": "drift-chicane",
    "horsejump-low": "horsejump-high",
    "kite-walk": "kite-surf",
    "motocross-bumps": "motocross-jump",
    "paragliding": "paragliding-launch",
    "scooter-gray": "scooter-black",
}
"""Training video -> the validation video that shows the same place, object or session."""
FEWEST = 3
"""Frames that a video must have."""


@dataclass(frozen=True)
class Videos:
    """Videos with the mask of one object, still encoded."""

    names: tuple[str, ...]
    times: tuple[tuple[int, ...], ...]
    """Original numbers of the frames, so that gaps are those of the film."""
    images: tuple[tuple[bytes, ...], ...]
    masks: tuple[tuple[bytes, ...], ...]
    boxes: tuple[Tensor, ...]
    """Per video float32 n x 4: centre y, x and half height, half width of the object's box in pixels; where there is no
    object, the middle half of the frame."""
    sizes: Tensor
    """int64 n x 2: height and width."""
    digest: str
    """Hex sha256 over names and bytes of the files."""

    def __len__(self) -> int:
        return len(self.names)

    def frame(self, video: int, at: int) -> Tensor:
        """Picture and mask of a frame, uint8 4 x H x W: RGB, and the object in {0, 255}."""
        image, mask = _picture(self.images[video][at]), _mask(self.masks[video][at])
        return torch.from_numpy(np.dstack([image, mask * np.uint8(255)]).transpose(2, 0, 1).copy())


def find_videos(given: Path | None) -> Path:
    """The folder of the videos: the given one, or `data/davis2016-train` under `$RVOS_BENCH_SHARED`. DataError."""
    folder = given
    if folder is None and os.environ.get("RVOS_BENCH_SHARED"):
        folder = Path(os.environ["RVOS_BENCH_SHARED"]) / "data" / "davis2016-train"
    parts = ("JPEGImages", "Annotations", "ImageSets")
    if folder is None or not all((folder / part).is_dir() for part in parts):
        raise DataError(
            f"training videos not found{'' if folder is None else f' in {folder}'}: give the folder that holds "
            "JPEGImages/, Annotations/ and ImageSets/ with --videos, or set RVOS_BENCH_SHARED to the folder that holds "
            "data/davis2016-train"
        )
    return folder


def load_videos(folder: Path, held_out: bool) -> Videos:
    """The videos of ImageSets/train.txt, or, held out, those of valid.txt; files of no other video are opened.

    Raises DataError for a missing, damaged or misshapen file, with its name, and for lists that overlap or name a
    video of the validation split of DAVIS.
    """
    train, watched = _listed(folder / "ImageSets" / "train.txt"), _listed(folder / "ImageSets" / "valid.txt")
    if both := sorted({*train} & {*watched}):
        raise DataError(f"{folder / 'ImageSets'}: {', '.join(both)} in train.txt and in valid.txt")
    if forbidden := sorted({*train, *watched} & NEVER):
        raise DataError(
            f"{folder / 'ImageSets'}: {', '.join(forbidden)} of the validation split of DAVIS; nothing may train on it"
        )
    digest = hashlib.sha256()
    read = [_read(folder, name, digest) for name in (watched if held_out else train)]
    return Videos(
        tuple(watched if held_out else train),
        tuple(times for times, *_ in read),
        tuple(images for _, images, *_ in read),
        tuple(masks for _, _, masks, *_ in read),
        tuple(boxes for *_, boxes, _ in read),
        torch.tensor([size for *_, size in read]),
        digest.hexdigest(),
    )


def _listed(file: Path) -> list[str]:
    try:
        names = file.read_text(encoding="utf-8").split()
    except OSError as error:
        raise DataError(f"{file}: the list of videos cannot be read ({error.strerror})") from error
    if not names or len(set(names)) != len(names) or any(Path(n).name != n or n in (".", "..") for n in names):
        raise DataError(f"{file}: expected names of videos, one a line, each once")
    return names


_Read = tuple[tuple[int, ...], tuple[bytes, ...], tuple[bytes, ...], Tensor, tuple[int, int]]


def _read(folder: Path, name: str, digest: hashlib._Hash) -> _Read:
    files = sorted((folder / "JPEGImages" / name).glob("*.jpg"))
    if len(files) < FEWEST:
        raise DataError(f"{folder / 'JPEGImages' / name}: {len(files)} frames, a training video has {FEWEST} or more")
    images, masks, boxes, shape = [], [], [], None
    for file in files:
        label = folder / "Annotations" / name / f"{file.stem}.png"
        if not file.stem.isdecimal():
            raise DataError(f"{file}: the name of a frame is its number")
        if not label.is_file():
            raise DataError(f"{label}: the mask of {name}/{file.name} is missing")
        image, mask = file.read_bytes(), label.read_bytes()
        try:
            seen, inside = _picture(image).shape[:2], _mask(mask)
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{file} or its mask {label.name} cannot be decoded: {error}") from error
        shape = shape or seen
        if not shape == seen == inside.shape:
            raise DataError(f"{file}: the frame is {seen}, its mask {inside.shape}, the first frame {shape}")
        for part, data in ((file, image), (label, mask)):
            digest.update(f"{name}/{part.name}\0".encode() + data)
        images.append(image)
        masks.append(mask)
        boxes.append(_box(inside))
    if not any(found for found, _ in boxes):
        raise DataError(f"{folder / 'Annotations' / name}: no mask shows an object")
    assert shape is not None
    times = tuple(int(file.stem) for file in files)
    return times, tuple(images), tuple(masks), torch.tensor([b for _, b in boxes]), (shape[0], shape[1])


def _picture(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _mask(data: bytes) -> NDArray[np.uint8]:
    """1 where any object is: palette, grey and 1-bit files alike."""
    return (np.asarray(Image.open(io.BytesIO(data))) > 0).astype(np.uint8)


def _box(mask: NDArray[np.uint8]) -> tuple[bool, list[float]]:
    height, width = mask.shape
    if not mask.any():
        return False, [height / 2, width / 2, height / 4, width / 4]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
    return True, [float(v) for v in ((top + bottom) / 2, (left + right) / 2, (bottom - top) / 2, (right - left) / 2)]
