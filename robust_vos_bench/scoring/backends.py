"""The two back ends, numpy and numba, behind one interface, and the choice between them."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.errors import DataError, unknown
from robust_vos_bench.scoring import compiled
from robust_vos_bench.scoring.bits import ArrayCounter
from robust_vos_bench.scoring.geometry import COLUMNS, FrameTruth, Geometry

BACKENDS = ("auto", "numpy", "numba")
_UNIT = 480 * 854
"""Pixels of the frame that the two thresholds below are counted in."""
LOADING = 250
"""Frames from which loading compiled kernels (half a second) is quicker than doing without."""
COMPILING = 6000
"""Frames from which compiling them first (about ten seconds, once per machine) is quicker than doing without, even if
they were never used again."""
_MODULE = "robust_vos_bench.scoring.kernels"
_RUNS = 1 << 15
_TAIL = 32


class Counter(Protocol):
    """Work space of one video: load a mask, then crop it as truth or count it against a truth. One thread at a time."""

    def load_mask(self, mask: NDArray[np.uint8], table: NDArray[np.uint8]) -> int:
        """Take a dense (H, W) mask, labels mapped by the 256-entry `table`; the largest stray label, 0 if none."""

    def load_file(self, path: str | Path, table: NDArray[np.uint8]) -> int:
        """Take a mask file; the largest stray label, 0 if none. Raises DataError, naming the file."""

    def crop(self) -> FrameTruth:
        """The loaded mask as the truth's side of a frame; valid until the next crop, copy it to keep it."""

    def count(self, truth: FrameTruth, out: NDArray[np.int64]) -> None:
        """The seven counts of every object, into `out` (K, 7), of the loaded mask against a frame's truth."""


def make_counter(backend: str, geometry: Geometry, objects: int) -> Counter:
    """A work space for one video; `backend` is "numpy" or "numba" (see `choose_backend`)."""
    if backend == "numba":
        return CompiledCounter(geometry, objects)
    return ArrayCounter(geometry, objects)


def choose_backend(backend: str, frames: int, size: tuple[int, int], again: bool = False) -> str:
    """ "numpy" or "numba": what was asked for, or what finishes first for `frames` frames of `size` (H, W).

    Loaded kernels are always used. Loading stored kernels pays from a few hundred frames, compiling them from a few
    thousand; again: from a few hundred as well where they can be stored, because such jobs come back and are fast then.
    Both back ends give the same numbers.
    """
    if backend not in BACKENDS:
        raise unknown("scoring back end", backend, BACKENDS)
    if backend != "auto":
        return backend
    if loaded():
        return "numba"
    work = frames * size[0] * size[1] / _UNIT
    if work < LOADING:
        return "numpy"
    if work >= COMPILING or compiled.ready():
        return "numba"
    return "numba" if again and compiled.storable() else "numpy"


def loaded() -> bool:
    """Whether this process has the kernels already."""
    return _MODULE in sys.modules


def prepare(frames: int, size: tuple[int, int] = (480, 854)) -> str:
    """Load the kernels (or compile them, where that pays) for a process that will score `frames` frames; the back end.

    Every scorer of this process with backend "auto" then uses it.
    """
    backend = choose_backend("auto", frames, size)
    if backend == "numba":
        load_kernels()
    return backend


def load_kernels() -> Any:
    """The compiled kernels' module; compiled and stored first if this machine has not done so yet.

    Of several processes one compiles, and the others wait for it and load what it has stored.
    """
    if not loaded() and not compiled.ready() and compiled.storable():
        with compiled.alone():
            importlib.import_module(_MODULE)
            compiled.mark_ready()
    from robust_vos_bench.scoring import kernels

    return kernels


class CompiledCounter:
    """Work space of one video for the compiled kernels."""

    def __init__(self, geometry: Geometry, objects: int) -> None:
        self._kernels = load_kernels()
        g = self.geometry = geometry
        self.objects = objects
        self._half = g.half
        self._planes = np.zeros((objects, g.height, g.words + 1), np.uint64)
        self._boxes = np.zeros((objects, 5), np.int64)
        self._scratch = np.empty(g.scratch, np.uint64)
        self._runs = np.empty(_RUNS, np.uint64)
        self._rows = np.empty((2, g.width + 1), np.int64)
        self._words = np.empty(1 << 14, np.uint64)
        self._grow(1 << 16)

    def _grow(self, size: int) -> None:
        self._data = np.empty(size, np.uint8)
        self._view = [memoryview(self._data.data)[: size - _TAIL]]

    def load_mask(self, mask: NDArray[np.uint8], table: NDArray[np.uint8]) -> int:
        """Take a dense (H, W) mask, labels mapped by the 256-entry `table`; the largest stray label, 0 if none."""
        # reshape copies a mask that is not contiguous.
        flat = mask.reshape(-1)
        return int(self._kernels.paint_dense(flat, self.geometry.width, table, self._planes, self._boxes))

    def load_file(self, path: str | Path, table: NDArray[np.uint8]) -> int:
        """Take a mask file; the largest stray label, 0 if none. Raises DataError, naming the file."""
        size = self._read(path)
        status = self._kernels.read_png(
            self._data, size, self.geometry.width, self._runs, self._rows, table, self._planes, self._boxes
        )
        if status >= 0:
            return int(status)
        from robust_vos_bench.scoring.png import read_index

        return self.load_mask(read_index(Path(path), (self.geometry.height, self.geometry.width)), table)

    def _read(self, path: str | Path) -> int:
        """Bytes of a file into the work space; their number."""
        try:
            file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such mask") from error
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        try:
            size = os.readv(file, self._view) if hasattr(os, "readv") else self._read_slowly(file)
            if size >= len(self._view[0]):
                total = os.fstat(file).st_size
                self._grow(total + 1 + _TAIL)
                os.lseek(file, 0, os.SEEK_SET)
                size = self._read_slowly(file)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        finally:
            with contextlib.suppress(OSError):
                os.close(file)
        return size

    def _read_slowly(self, file: int) -> int:
        """A whole file piece by piece, as far as the work space goes."""
        size = 0
        while size < len(self._view[0]):
            piece = os.read(file, len(self._view[0]) - size)
            if not piece:
                break
            self._data[size : size + len(piece)] = np.frombuffer(piece, np.uint8)
            size += len(piece)
        return size

    def crop(self) -> FrameTruth:
        """The loaded mask as the truth's side of a frame; its words are valid until the next crop."""
        table = np.zeros((self.objects, COLUMNS), np.int64)
        arguments = (self._planes, self._boxes, self.geometry.width, self._half, self._scratch, table)
        used = self._kernels.crop_truth(*arguments, self._words)
        if used < 0:
            self._words = np.empty(-used, np.uint64)
            used = self._kernels.crop_truth(*arguments, self._words)
        return FrameTruth(table, self._words[:used])

    def count(self, truth: FrameTruth, out: NDArray[np.int64]) -> None:
        """The seven counts of every object, into `out` (K, 7), of the loaded mask against a frame's truth."""
        self._kernels.count(
            self._planes,
            self._boxes,
            self.geometry.width,
            self._half,
            self._scratch,
            truth.table,
            truth.words,
            out,
        )
