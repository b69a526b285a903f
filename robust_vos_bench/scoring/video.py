"""Scoring one video, frame by frame, in memory or from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.soft import CURE, soft_values
from robust_vos_bench.datasets.video import Mask, Truth, ids_in
from robust_vos_bench.errors import ContractError, DataError, UsageError
from robust_vos_bench.scoring.adapted import ADAPTED, adapted_counts
from robust_vos_bench.scoring.backends import Counter, choose_backend, make_counter
from robust_vos_bench.scoring.hota import Matches
from robust_vos_bench.scoring.measures import boundary_f, jaccard
from robust_vos_bench.scoring.objects import ObjectScore
from robust_vos_bench.scoring.png import read_index
from robust_vos_bench.scoring.protocols import Protocol, make_protocol
from robust_vos_bench.scoring.rules import Track, Values
from robust_vos_bench.scoring.statistics import statistics
from robust_vos_bench.scoring.truth import OverlappingMasks, PackedTruth


class VideoScorer:
    """J and F of every object of one video from its predicted masks, which are added one by one; no mask is kept.

    truth: what to score against; a `PackedTruth` is reused between runs. backend: "auto", "numpy" or "numba", see
    `backends.choose_backend`; the numbers are the same.
    """

    def __init__(
        self, truth: Truth | PackedTruth, protocol: str | Protocol | None = None, backend: str = "auto"
    ) -> None:
        if isinstance(truth, PackedTruth):
            if protocol is not None and make_protocol(protocol) != truth.protocol:
                raise UsageError(
                    f"video {truth.name!r}: its truth was packed for the protocol {truth.protocol.label!r}, "
                    f"not for {make_protocol(protocol).label!r}"
                )
            self.truth = truth
        else:
            self.truth = PackedTruth(truth, protocol or "davis")
        size = self.truth.truth.size
        self._place = {t: n for n, t in enumerate(self.truth.frames)}
        self._counts = np.zeros((len(self._place), len(self.truth.objects), 7), np.int64)
        self._seen = np.zeros(len(self._place), np.bool_)
        rule = self.truth.protocol.rule
        self._adapted: NDArray[np.int64] | None = None
        self._matches = None if rule is None else rule.matches(self.truth.truth)
        if rule is not None and rule.adapts:
            self._adapted = np.zeros((len(self._place), len(self.truth.objects), len(ADAPTED)), np.int64)
        backend = choose_backend(backend, len(self._place), size)
        self._counter: Counter = make_counter(backend, self.truth.geometry, len(self.truth.objects))
        self._table = self.truth.prediction_table
        self._file_table: NDArray[np.uint8] | None = None

    @property
    def frames(self) -> tuple[int, ...]:
        """Indices of the frames whose predictions are scored; masks of other frames are ignored."""
        return self.truth.frames

    def add(self, t: int, mask: Mask) -> None:
        """Score the prediction for frame `t`: uint8 (H, W) object ids.

        Raises ContractError for another type or size, an id that the video does not have, or a frame given twice.
        """
        size = self.truth.truth.size
        if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != size:
            got = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise ContractError(f"{self._where(t)}: expected a uint8 mask of {size} (H, W), got {got}")
        place = self._place.get(t)
        if place is None:
            if not 0 <= t < len(self.truth.truth):
                raise ContractError(f"{self._where(t)}: the video has {len(self.truth.truth)} frames")
            return
        if self._seen[place]:
            raise ContractError(f"{self._where(t)}: given twice")
        packed = self.truth.frame(t, self._counter)
        stray = self._counter.load_mask(mask, self._table)
        if stray:
            raise ContractError(f"{self._where(t)}: predicted object id {stray}, {self._known()}")
        self._counter.count(packed, self._counts[place])
        self._more(t, mask, place)
        self._seen[place] = True

    def _more(self, t: int, mask: Mask, place: int) -> None:
        """What some rules count beside the seven integers."""
        if self._adapted is None and self._matches is None:
            return
        masks = self.truth.truth.masks
        if self._adapted is not None:
            truth = masks[t]
            if truth is None:
                raise DataError(f"{self._where(t)}: not annotated")
            for k, i in enumerate(self.truth.objects):
                self._adapted[place, k] = adapted_counts(mask == i, truth == i)
        if self._matches is not None:
            self._matches.add(_planes(masks, t), mask)

    def add_file(self, t: int, path: str | Path, lookup: NDArray[np.uint8] | None = None) -> None:
        """Score the prediction in a PNG file for frame `t`; `lookup` maps stored values to object ids (256 entries).

        Raises DataError, naming the file, where it is missing, damaged, of another size or kind, or holds an id that
        the video does not have.
        """
        place = self._place.get(t)
        if place is None:
            return
        if self._file_table is None:
            self._file_table = self._table if lookup is None else self._table[lookup]
        packed = self.truth.frame(t, self._counter)
        stray = self._counter.load_file(path, self._file_table)
        if stray:
            stray = stray if lookup is None else int(lookup[stray])
            raise DataError(
                f"{path}: holds object id {stray}, {self._known()}{_hint(stray, path, self.truth.truth.size)}"
            )
        self._counter.count(packed, self._counts[place])
        if self._adapted is not None or self._matches is not None:
            mask = read_index(Path(path), self.truth.truth.size)
            self._more(t, mask if lookup is None else lookup[mask], place)
        self._seen[place] = True

    def result(self) -> list[ObjectScore]:
        """One score per object, in the order of ids. Raises DataError where a frame that counts was never added."""
        if not self._seen.all():
            missing = [self.truth.truth.frame_names[t] for t, n in self._place.items() if not self._seen[n]]
            raise DataError(
                f"video {self.truth.name!r}: no prediction for {len(missing)} of {len(self._place)} scored frames "
                f"({', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''})"
            )
        matches = {} if self._matches is None else self._matches.result()
        return [self._score(k, i, matches.get(i, {})) for k, i in enumerate(self.truth.objects)]

    def _score(self, k: int, i: int, matches: Matches) -> ObjectScore:
        """The score of object `i`, which is plane `k`."""
        protocol = self.truth.protocol
        frames = np.array(self.truth.frames, np.int64)
        found = self._values(k, i, frames)
        j, f = (np.append(v, np.zeros(found.zeros)) if found.zeros else v for v in (found.j, found.f))
        return ObjectScore(
            self.truth.name,
            i,
            len(j),
            *statistics(j, protocol.wrap_decay),
            *statistics(f, protocol.wrap_decay),
            category=self.truth.truth.categories.get(i, ""),
            indices=tuple(frames[found.keep].tolist()),
            j=tuple(found.j.tolist()),
            f=tuple(found.f.tolist()),
            extra=found.extra,
            matches=matches,
        )

    def _values(self, k: int, i: int, frames: NDArray[np.int64]) -> Values:
        """J and F of object `i` over the frames that the protocol counts."""
        protocol, counts = self.truth.protocol, self._counts[:, k]
        if protocol.rule is not None:
            adapted = None if self._adapted is None else self._adapted[:, k]
            return protocol.rule.values(
                Track(self.truth.truth, i, frames, counts, adapted, wrap_decay=protocol.wrap_decay)
            )
        first = self.truth.truth.first_frames.get(i, 0)
        if self.truth.last_frames is None:
            shown = frames[counts[:, 1] > 0]
            last_shown = int(shown[-1]) if len(shown) else first
        else:
            last_shown = self.truth.last_frames.get(i, first)
        keep = protocol.selected(frames, first, last_shown, self.truth.annotated[-1])
        return Values(keep, jaccard(counts[keep]), boundary_f(counts[keep]))

    def counts(self) -> NDArray[np.int64]:
        """The seven counts (`measures.COUNTS`) of every candidate frame and object: int64 (n, K, 7)."""
        return self._counts

    def _where(self, t: int) -> str:
        names = self.truth.truth.frame_names
        return f"video {self.truth.name!r}, frame {names[t] if 0 <= t < len(names) else t}"

    def _known(self) -> str:
        ids = self.truth.objects
        listed = ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "")
        return f"but video {self.truth.name!r} has only {listed}"


def _planes(masks: Sequence[Mask | None], t: int) -> dict[int, NDArray[np.bool_]]:
    """Object id -> its mask in frame `t`: as the truth has it where masks may overlap, else from the mask of ids."""
    if isinstance(masks, OverlappingMasks):
        return dict(masks.planes(t))
    mask = masks[t]
    return {} if mask is None else {i: mask == i for i in ids_in(mask)}


def _hint(stray: int, path: str | Path, size: tuple[int, int]) -> str:
    """What a stray id usually means: a mask with soft edges, or, where it is 255, a binary one."""
    if count := soft_values(read_index(Path(path), size)):
        return f": {CURE.format(count=count)}"
    return " (a binary 0 / 255 mask? masks hold object ids)" if stray == 255 else ""
