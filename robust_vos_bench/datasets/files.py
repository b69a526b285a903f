"""Lazy sequences of frames and masks over image files; picklable, nothing decoded before it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.images import FRAME_SUFFIXES, read_frame, read_mask
from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.datasets.order import ambiguous, in_order, strays
from robust_vos_bench.datasets.soft import binarise
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import DataError

BINARISE: tuple[int, ...] = (0, *([1] * 255))
"""Id map of data sets whose masks are 0 / 255 (or 0 / anything): every non-zero value is object 1."""

MASK_SUFFIXES = (".png",)
"""File name endings that count as masks, in small letters."""
PICTURES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pnm"),
    *(".avif", ".heic", ".heif", ".jp2", ".jxl", ".exr", ".tga"),
)
"""Endings of pictures, in small letters: one that is not read is told, never passed over."""
SYSTEM_FOLDERS = ("@eaDir", "#recycle", "__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information")
"""Folders that systems make among one's own."""


@dataclass(frozen=True)
class FrameFiles(Lazy[Frame]):
    """The frames of one video as files; `frames[t]` decodes one, iterating decodes them in order, keeping none."""

    paths: tuple[Path, ...]
    size: tuple[int, int]
    """(H, W) that every frame must have; another size is a DataError that names the file."""

    def __len__(self) -> int:
        return len(self.paths)

    def at(self, t: int) -> Frame:
        """Frame t, decoded."""
        return read_frame(self.paths[t], self.size)

    def part(self, chosen: range) -> FrameFiles:
        """The same of some files: nothing is decoded."""
        return replace(self, paths=tuple(self.paths[t] for t in chosen))

    def __iter__(self) -> Iterator[Frame]:
        for path in self.paths:
            yield read_frame(path, self.size)


@dataclass(frozen=True)
class MaskFiles(Lazy["Mask | None"]):
    """The annotations of one video as files, None where a frame has none.

    `paths` and `table` let the scorer use its own decoder: ids are `table[value]` where there is a table.
    """

    paths: tuple[Path | None, ...]
    size: tuple[int, int]
    table: tuple[int, ...] | None = None
    """256 ids by stored value, or None where the files hold the ids themselves."""
    by_value: bool = True
    """Whether `table` says it all. If not, each file is read and made {0, 1} as `soft.binarise` does."""

    @property
    def lookup(self) -> NDArray[np.uint8] | None:
        """`table` as a 256-entry uint8 array, or None."""
        return None if self.table is None else np.array(self.table, np.uint8)

    def __len__(self) -> int:
        return len(self.paths)

    def at(self, t: int) -> Mask | None:
        """Mask of frame t, decoded."""
        path = self.paths[t]
        if path is None:
            return None
        mask = read_mask(path, self.size)
        if not self.by_value:
            return binarise(mask)
        lookup = self.lookup
        return mask if lookup is None else lookup[mask]

    def part(self, chosen: range) -> MaskFiles:
        """The same of some files: nothing is decoded."""
        return replace(self, paths=tuple(self.paths[t] for t in chosen))


def list_frames(folder: Path) -> tuple[Path, ...]:
    """The frame files of a folder, `in_order`.

    Raises DataError, naming the file, where there are none, where two are the same frame, where the order of names
    cannot be told, and where a picture does not belong to the others: one whose name does not follow their numbering,
    or in a format that is not read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (expected the frames of one video in it)")
    pictures, others = _pictures(folder, FRAME_SUFFIXES)
    if others:
        raise DataError(
            f"{others[0]}: frames are read from .jpg and .png files, not from {others[0].suffix} files"
            f"{_more(others)}; save it as PNG, or move it elsewhere if it is no frame"
        )
    if not pictures:
        raise DataError(f"{folder}: no frames (.jpg or .png) in it")
    stems: dict[str, Path] = {}
    for path in sorted_files(pictures):
        if path.stem in stems:
            raise DataError(f"{path}: the same frame is there twice, also as {stems[path.stem].name}; remove one")
        stems[path.stem] = path
    _check_names(stems)
    return tuple(stems.values())


def list_masks(folder: Path) -> dict[str, Path]:
    """Frame stem -> mask file (PNG) of a folder, `in_order`; empty where the folder does not exist.

    Raises DataError, naming the file, for a picture that is no PNG and has none beside it, for the same mask twice, and
    for names as `list_frames` does.
    """
    if not folder.is_dir():
        return {}
    pictures, others = _pictures(folder, MASK_SUFFIXES)
    masks: dict[str, Path] = {}
    for path in sorted_files(pictures):
        if path.stem in masks:
            raise DataError(f"{path}: the same mask is there twice, also as {masks[path.stem].name}; remove one")
        masks[path.stem] = path
    if alone := [path for path in others if path.stem not in masks]:
        raise DataError(
            f"{alone[0]}: masks are PNG files{_more(alone)}. JPEG and other formats change ids or cannot hold them: "
            "save the masks as indexed PNGs, or move the file elsewhere if it is no mask"
        )
    _check_names(masks)
    return masks


def video_folders(place: Path) -> tuple[list[str], list[str]]:
    """(names of the video folders in a folder, sorted; those that are left out: hidden, of a system, empty)."""
    names, left_out = [], []
    for path in listing(place):
        if not path.is_dir():
            continue
        if path.name.startswith(".") or path.name in SYSTEM_FOLDERS or not _holds_something(path):
            left_out.append(path.name)
        else:
            names.append(path.name)
    return names, left_out


def listing(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name. Raises DataError, naming the folder, where the system refuses."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error


def sorted_files(paths: Iterable[Path]) -> list[Path]:
    """Files in the order of their stems, as `in_order` has it."""
    files = sorted(paths)
    place = {stem: i for i, stem in enumerate(in_order({path.stem for path in files}))}
    return sorted(files, key=lambda path: place[path.stem])


def _pictures(folder: Path, suffixes: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """(files with one of the endings, pictures with another one), without hidden files."""
    wanted, others = [], []
    for path in listing(folder):
        ending = path.suffix.lower()
        if path.name.startswith("."):
            continue
        if ending in suffixes:
            wanted.append(path)
        elif ending in PICTURES:
            others.append(path)
    return wanted, others


def _holds_something(folder: Path) -> bool:
    """Whether a folder holds anything that is not hidden; one that cannot be read may."""
    try:
        return any(not path.name.startswith(".") for path in folder.iterdir())
    except OSError:
        return True


def _check_names(stems: Mapping[str, Path]) -> None:
    """Raise DataError for a stray name, and where the order cannot be told."""
    if stray := strays(stems):
        usual = next(stem for stem in stems if stem not in stray)
        raise DataError(
            f"{stems[stray[0]]}: its name does not follow the numbering of the other files ({stems[usual].name} ...)"
            f"{_more(stray)}; move it elsewhere if it is no frame, or rename it"
        )
    if pair := ambiguous(stems):
        first, second = (stems[stem] for stem in pair)
        raise DataError(
            f"{first}: it cannot be told whether it comes before {second.name}; number the files alike "
            "(00000, 00001, ...)"
        )


def _more(found: Sequence[object]) -> str:
    return f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
