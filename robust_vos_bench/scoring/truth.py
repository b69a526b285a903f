"""The truth of a video, packed once and reused for every run that is scored against it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Truth
from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring.backends import Counter
from robust_vos_bench.scoring.bits import STRAY
from robust_vos_bench.scoring.geometry import FrameTruth, Geometry
from robust_vos_bench.scoring.protocols import Protocol as ScoringProtocol
from robust_vos_bench.scoring.protocols import make_protocol

BUDGET = 256 << 20
"""Default bytes that a video's packed truth may take."""
AS_IT_IS = 8
"""One part in so many of the budget holds frames as they are; frames beyond are compressed."""


@runtime_checkable
class MasksInFiles(Protocol):
    """Masks of a truth that lie in files: the PNG files among them are read by the scorer's own decoder.

    `datasets.files.MaskFiles` is one; those of another data set may have the same two attributes. Where an attribute
    `by_value` is False, `lookup` does not say it all, and the masks are taken from the sequence instead.
    """

    @property
    def paths(self) -> Sequence[Path | None]:
        """The file of each frame's mask, None where a frame has none."""

    @property
    def lookup(self) -> NDArray[np.uint8] | None:
        """Object ids by stored value, (256,); None where the files hold the ids themselves."""


@runtime_checkable
class OverlappingMasks(Protocol):
    """Masks of a truth whose objects may overlap: they are also there one by one."""

    def planes(self, t: int) -> Mapping[int, NDArray[np.bool_]]:
        """Object id -> its mask in frame `t`, (H, W) bool."""


class _Compressed(NamedTuple):
    """A frame's packed truth in a seventh of the memory; opening it takes half as long as scoring a mask against it."""

    table: NDArray[np.int64]
    words: bytes

    @property
    def nbytes(self) -> int:
        """Memory of both, in bytes."""
        return self.table.nbytes + len(self.words)

    def opened(self) -> FrameTruth:
        """As it was."""
        # A bytearray, because arrays over bytes cannot be written to, and kernels would be compiled once more for them.
        return FrameTruth(self.table, np.frombuffer(bytearray(zlib.decompress(self.words)), np.uint64))


class PackedTruth:
    """Ground truth of one video as bit planes: packed frame by frame when first needed, then kept.

    Up to `budget` bytes are kept (at 480p about 30 kB per object and frame, or 4 kB compressed: what is beyond an
    eighth of the budget is). Frames for which no room is left are packed anew each time, so memory does not grow with
    the length of the video. May be shared by threads.
    """

    def __init__(self, truth: Truth, protocol: str | ScoringProtocol = "davis", budget: int = BUDGET) -> None:
        self.truth = truth
        self.protocol = make_protocol(protocol)
        self.geometry = Geometry(*truth.size)
        self.annotated = _annotated(truth)
        if not self.annotated:
            raise DataError(f"video {truth.video!r}: no annotated frame; nothing can be scored")
        self.objects = self.protocol.objects(truth, self.annotated)
        self.frames = tuple(self.protocol.candidates(truth, self.annotated))
        self._budget = budget
        self._used = 0
        self._cache: dict[int, FrameTruth | _Compressed] = {}
        self._full = budget <= 0
        self._paths = _png_paths(truth)

    @property
    def name(self) -> str:
        """The video's name."""
        return self.truth.video

    @property
    def nbytes(self) -> int:
        """Bytes of packed truth that are kept at present."""
        return self._used

    @cached_property
    def prediction_table(self) -> NDArray[np.uint8]:
        """Object id -> plane (1..K), 0 for background, STRAY for ids that the video does not have."""
        return self._table(STRAY)

    @cached_property
    def truth_table(self) -> NDArray[np.uint8]:
        """The same for the truth: void and ids that are not scored count as background."""
        return self._table(0)

    @cached_property
    def last_frames(self) -> Mapping[int, int] | None:
        """Object id -> last annotated frame that shows it, where a corruption moved the masks; None elsewhere.

        Taken from the masks before they were moved, so that an object pushed out of the picture still counts.
        """
        if self.truth.unmoved is None:
            return None
        found: dict[int, int] = {}
        for t in reversed(self.annotated):
            mask = self.truth.unmoved[t]
            for i in set(self.objects).difference(found):
                if mask is not None and (mask == i).any():
                    found[i] = t
            if len(found) == len(self.objects):
                break
        return found

    def _table(self, other: int) -> NDArray[np.uint8]:
        table = np.full(256, other, np.uint8)
        table[0] = 0
        for plane, i in enumerate(self.objects):
            table[i] = plane + 1
        return table

    @cached_property
    def _file_table(self) -> NDArray[np.uint8]:
        masks = self.truth.masks
        if not isinstance(masks, MasksInFiles) or masks.lookup is None:
            return self.truth_table
        return self.truth_table[masks.lookup]

    def frame(self, t: int, counter: Counter) -> FrameTruth:
        """The packed truth of frame `t`; `counter` is the work space to pack it with (its loaded mask is replaced).

        Raises DataError, naming the file or frame, where the annotation is missing, damaged or of another size.
        """
        kept = self._cache.get(t)
        if kept is not None:
            return kept.opened() if isinstance(kept, _Compressed) else kept
        path = self._paths[t]
        if path is not None:
            counter.load_file(path, self._file_table)
        else:
            mask = self.truth.masks[t]
            if mask is None:
                raise DataError(f"video {self.name!r}, frame {self.truth.frame_names[t]}: not annotated")
            if mask.dtype != np.uint8 or mask.shape != self.truth.size:
                raise DataError(
                    f"video {self.name!r}, annotation of frame {self.truth.frame_names[t]}: expected a uint8 mask of "
                    f"{self.truth.size}, got {mask.dtype} {mask.shape}"
                )
            counter.load_mask(mask, self.truth_table)
        packed = counter.crop()
        if not self._full:
            self._keep(t, packed)
        return packed

    def _keep(self, t: int, packed: FrameTruth) -> None:
        """A copy of the frame, while there is room."""
        copy: FrameTruth | _Compressed
        if self._used + packed.nbytes <= self._budget // AS_IT_IS:
            copy = FrameTruth(packed.table, packed.words.copy())
        else:
            copy = _Compressed(packed.table, zlib.compress(packed.words.tobytes(), 1))
        if self._used + copy.nbytes > self._budget:
            self._full = True
            return
        self._used += copy.nbytes
        self._cache[t] = copy


def _png_paths(truth: Truth) -> list[str | None]:
    """The file of each frame's annotation, where the truth is a sequence of PNG files."""
    masks = truth.masks
    files = isinstance(masks, MasksInFiles) and getattr(masks, "by_value", True)
    paths = masks.paths if files and isinstance(masks, MasksInFiles) else [None] * len(truth)
    return [str(path) if path is not None and path.suffix.lower() == ".png" else None for path in paths]


def _annotated(truth: Truth) -> list[int]:
    """Indices of the annotated frames; nothing is decoded where the truth knows its files."""
    if isinstance(truth.masks, MasksInFiles):
        return [t for t, path in enumerate(truth.masks.paths) if path is not None]
    return [t for t in range(len(truth)) if truth.masks[t] is not None]
