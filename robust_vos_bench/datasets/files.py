"""Lazy sequences of frames and masks over image files; picklable, nothing decoded before it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.images import FRAME_SUFFIXES, read_frame, read_mask
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import DataError

BINARISE: tuple[int, ...] = (0, *([1] * 255))
"""Id map of data sets whose masks are 0 / 255 (or 0 / anything): every non-zero value is object 1."""


@dataclass(frozen=True)
class FrameFiles(Sequence[Frame]):
    """The frames of one video as files; `frames[t]` decodes one, iterating decodes them in order, keeping none."""

    paths: tuple[Path, ...]
    size: tuple[int, int]
    """(H, W) that every frame must have; another size is a DataError that names the file."""

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Frame]: ...
    def __getitem__(self, index: int | slice) -> Frame | Sequence[Frame]:
        if isinstance(index, slice):
            return FrameFiles(self.paths[index], self.size)
        return read_frame(self.paths[index], self.size)

    def __iter__(self) -> Iterator[Frame]:
        for path in self.paths:
            yield read_frame(path, self.size)


@dataclass(frozen=True)
class MaskFiles(Sequence["Mask | None"]):
    """The annotations of one video as files, None where a frame has none.

    `paths` and `table` let the scorer use its own decoder: ids are `table[value]` where there is a table.
    """

    paths: tuple[Path | None, ...]
    size: tuple[int, int]
    table: tuple[int, ...] | None = None
    """256 ids by stored value, or None where the files hold the ids themselves."""

    @property
    def lookup(self) -> NDArray[np.uint8] | None:
        """`table` as a 256-entry uint8 array, or None."""
        return None if self.table is None else np.array(self.table, np.uint8)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Mask | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mask | None]: ...
    def __getitem__(self, index: int | slice) -> Mask | Sequence[Mask | None] | None:
        if isinstance(index, slice):
            return MaskFiles(self.paths[index], self.size, self.table)
        path = self.paths[index]
        if path is None:
            return None
        mask = read_mask(path, self.size)
        lookup = self.lookup
        return mask if lookup is None else lookup[mask]


def list_frames(folder: Path) -> tuple[Path, ...]:
    """The frame files of a folder, `in_order`. Raises DataError where there are none or two share a stem."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (expected the frames of one video in it)")
    paths = sorted_files(p for p in folder.iterdir() if p.suffix in FRAME_SUFFIXES and not p.name.startswith("."))
    if not paths:
        raise DataError(f"{folder}: no frames (.jpg or .png) in it")
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise DataError(f"{path}: the same frame is there twice, also as {stems[path.stem].name}; remove one")
        stems[path.stem] = path
    return tuple(stems.values())


def list_masks(folder: Path) -> dict[str, Path]:
    """Frame stem -> mask file (PNG) of a folder, `in_order`; empty where the folder does not exist."""
    if not folder.is_dir():
        return {}
    masks = (p for p in folder.iterdir() if p.suffix in (".png", ".PNG") and not p.name.startswith("."))
    return {p.stem: p for p in sorted_files(masks)}


def in_order(stems: Iterable[str]) -> list[str]:
    """Frame names in the order of the video: by number where all are numbers, else by name.

    The two differ only where numbers are not padded with zeros: by name, frame 10 would come before frame 2.
    """
    names = sorted(stems)
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else names


def sorted_files(paths: Iterable[Path]) -> list[Path]:
    """Files in the order of their stems, as `in_order` has it."""
    files = sorted(paths)
    place = {stem: i for i, stem in enumerate(in_order({path.stem for path in files}))}
    return sorted(files, key=lambda path: place[path.stem])


def missing_numbers(stems: Sequence[str], step: int | None = None) -> list[str]:
    """Frame names that a numbering leaves out ("00000", "00002" -> "00001"); empty where names are no numbers.

    step: the difference of neighbours, where it is known (1 in DAVIS); by default the smallest one there is. A
    numbering in which more than a quarter of the steps are larger, or are no multiple of it, is irregular on
    purpose: nothing is missing then.
    """
    if len(stems) < 2 or not all(stem.isdecimal() for stem in stems):
        return []
    numbers = [int(stem) for stem in stems]
    gaps = [b - a for a, b in pairwise(numbers)]
    if step is not None:
        return [f"{n:0{len(stems[0])}d}" for a, b in pairwise(numbers) for n in range(a + step, b, step)]
    step = min(gaps)
    wide = [i for i, gap in enumerate(gaps) if gap != step]
    if step <= 0 or any(gap % step for gap in gaps) or len(wide) > max(1, len(gaps) // 4):
        return []
    width = len(stems[0])
    return [f"{n:0{width}d}" for i in wide for n in range(numbers[i] + step, numbers[i + 1], step)]
