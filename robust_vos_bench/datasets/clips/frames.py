"""The frames of a video file, decoded while they are read: never more than one is held."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.clips.facts import ClipFacts, decoded, opened, video_stream
from robust_vos_bench.datasets.clips.hdr import to_sdr
from robust_vos_bench.datasets.clips.pyav import load_av
from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import DataError

_EXACT = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
"""Flags of FFmpeg's scaler for which every machine computes the same."""


@dataclass(frozen=True)
class ClipFrames(Lazy[Frame]):
    """The frames of one video file as RGB uint8 H x W x 3, upright, in the order they are shown.

    Frames are counted from the start, never sought: frame t is the same in any order. Reading forward costs each frame
    once, also by index; going back starts again at the first.
    """

    path: Path
    facts: ClipFacts
    _reader: _Reader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", _Reader(self.path, self.facts))

    def __reduce__(self) -> Any:
        return ClipFrames, (self.path, self.facts)

    def __len__(self) -> int:
        return self.facts.frames

    def at(self, t: int) -> Frame:
        """Frame t, read on from the one that was read last where that lies before it."""
        return self._reader.frame(t)

    def __iter__(self) -> Iterator[Frame]:
        with contextlib.closing(_pictures(self.path, self.facts)) as pictures:
            convert = _Converter(self.facts)
            for picture in pictures:
                yield convert(picture)


class _Reader:
    """One open file that goes forward, for reading by index."""

    def __init__(self, path: Path, facts: ClipFacts) -> None:
        self._path, self._facts = path, facts
        self._lock = threading.Lock()
        self._convert = _Converter(facts)
        self._pictures: Iterator[Any] | None = None
        self._next = 0
        self._last: tuple[int, Frame] | None = None

    def frame(self, t: int) -> Frame:
        """Frame t, in an array of its own."""
        with self._lock:
            if self._last is None or self._last[0] != t:
                if self._pictures is None or t < self._next:
                    self._pictures, self._next = _pictures(self._path, self._facts), 0
                for picture in self._pictures:
                    self._next += 1
                    if self._next == t + 1:
                        self._last = (t, self._convert(picture))
                        break
            if self._last is None or self._last[0] != t:
                raise DataError(f"{self._path}: frame {t} is no longer there; was the file changed?")
            return self._last[1].copy()


def _pictures(path: Path, facts: ClipFacts) -> Generator[Any, None, None]:
    """All pictures as decoded. Raises DataError where the file is no longer the one that was surveyed."""
    count = 0
    with opened(path) as container:
        stream = video_stream(path, container)
        stream.codec_context.thread_count = 1  # workers share the cores among themselves
        for picture in decoded(path, container, stream):
            if (picture.height, picture.width) != (facts.rows, facts.columns) or count == facts.frames:
                break
            count += 1
            yield picture
        else:
            if count == facts.frames:
                return
    raise DataError(f"{path}: the file was changed while it was in use; run the same command again")


class _Converter:
    """From decoded pictures to upright RGB, by FFmpeg's scaler with explicit colour matrix and range."""

    def __init__(self, facts: ClipFacts) -> None:
        self._facts = facts
        self._graph: Any = None
        self._of: tuple[Any, ...] = ()

    def __call__(self, picture: Any) -> Frame:
        av = load_av()
        kind = (picture.format.name, picture.width, picture.height)
        if self._graph is None or self._of != kind:
            self._graph, self._of = self._build(av, picture), kind
        self._graph.push(picture)
        made = self._graph.pull().to_ndarray()
        frame = to_sdr(made, self._facts.transfer) if self._facts.transfer else made
        return np.ascontiguousarray(turned(frame, self._facts.turn))

    def _build(self, av: Any, picture: Any) -> Any:
        facts = self._facts
        words = [f"flags={_EXACT}", "sws_dither=none", "out_range=pc"]
        if facts.matrix:
            words += [f"in_color_matrix={facts.matrix}", f"in_range={'pc' if facts.full else 'tv'}"]
        graph = av.filter.Graph()
        steps = [
            graph.add_buffer(
                width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 1000)
            ),
            graph.add("scale", ":".join(words)),
            graph.add("format", "rgb48le" if facts.transfer else "rgb24"),
            graph.add("buffersink"),
        ]
        for one, other in itertools.pairwise(steps):
            one.link_to(other)
        graph.configure()
        return graph


def turned(frame: Frame, turn: tuple[int, int, int, int]) -> Frame:
    """A picture as a display matrix shows it; turn: see `ClipFacts.turn`."""
    a, b, c, d = turn
    if a:
        return frame[:: d or 1, :: a or 1]
    return frame.swapaxes(0, 1)[:: b or 1, :: c or 1]
