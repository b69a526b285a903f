"""The clip through H.264: frames coded once more, and what the decoder then tells of each picture.

FFmpeg exports no motion vectors for HEVC, the codec of the paper. For H.264 it exports them without the index of the
reference: with one reference, no pyramid and no weighting that is the nearest coded picture of no B type on each side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.clips.coding import DECODERS, Encoder, Encoding, codec_context, load_codecs
from robust_vos_bench.datasets.clips.planes import coded_size, from_planes
from robust_vos_bench.datasets.clips.pyav import decoder_version
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import DataError

CELL = 4
"""Pixels a side of the cells that vectors are painted on."""
_CORE = re.compile(rb"x264 - core (\d+(?: r\d+)?)")


def encoding(crf: float, preset: str, bframes: int, keyint: int) -> Encoding:
    """H.264 whose vectors can be read: two lists of one reference each."""
    params = {"ref": "1", "b-pyramid": "none", "weightp": "0", "weightb": "0", "b-adapt": "2"}
    return Encoding("libx264", preset, crf, params=params | {"bframes": str(bframes), "keyint": str(keyint)})


@dataclass(frozen=True)
class Stream:
    """A coded clip. packets: (time, bytes) in the order of decoding."""

    encoder: str
    size: tuple[int, int]
    packets: tuple[tuple[int, bytes], ...]

    def __len__(self) -> int:
        return len(self.packets)

    @property
    def keys(self) -> frozenset[int]:
        """Frames of type I and P: those that no later frame in the order of decoding comes before in time."""
        found, newest = set(), -1
        for time, _ in self.packets:
            if time > newest:
                found.add(time)
                newest = time
        return frozenset(found)


@dataclass(frozen=True)
class Picture:
    """A decoded frame and its vectors: on cells, 2 x h x w (lists of the past and of the future), quarter pixels."""

    time: int
    frame: Frame
    x: NDArray[np.int16]
    y: NDArray[np.int16]
    used: NDArray[np.bool_]


def encode(frames: Iterable[Frame], settings: Encoding, size: tuple[int, int], fps: float) -> Stream:
    """All frames, coded. Raises MissingExtraError without PyAV or its encoder, DataError where frames change size."""
    encoder = Encoder(load_codecs(), settings, size, fps)
    packets = []
    for t, frame in enumerate(frames):
        if frame.shape[:2] != size:
            raise DataError(f"frame {t} is {frame.shape[:2]}, but the video is {size}: one stream has one size")
        packets += encoder.encode(frame, t)
    packets += encoder.flush()
    return Stream(settings.encoder, size, tuple((int(packet.pts), bytes(packet)) for packet in packets))


def decode(stream: Stream) -> Iterator[Picture]:
    """The pictures in order of time, each when it is asked for. Raises DataError where one is missing."""
    av = load_codecs()
    context = codec_context(av, DECODERS[stream.encoder], "r")
    context.options = {"flags2": "+export_mvs"}

    def pictures() -> Iterator[Any]:
        for time, data in stream.packets:
            packet = av.Packet(data)
            packet.pts = packet.dts = time
            yield from context.decode(packet)
        yield from context.decode(None)

    rows, columns = (-(-side // CELL) for side in coded_size(*stream.size))
    count = 0
    for picture in pictures():
        if picture.pts != count:
            break
        exported = picture.side_data.get("MOTION_VECTORS")
        records = None if exported is None else exported.to_ndarray()
        yield Picture(count, from_planes(picture.to_ndarray(), *stream.size), *painted(records, rows, columns))
        count += 1
    if count != len(stream):
        raise DataError(f"the decoder gave {count} of {len(stream)} frames of the stream that was coded for it")


def painted(
    records: NDArray[Any] | None, rows: int, columns: int
) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.bool_]]:
    """FFmpeg's records of blocks, painted on rows x columns cells: x, y in quarter pixels, and which cells have any.

    `motion` over `motion_scale` is the way from a block to its source in pixels (`src` is rounded). `source` has the
    sign of the list. Parts of blocks beyond the picture are left out.
    """
    x, y = np.zeros((2, 2, rows, columns), np.int16)
    used = np.zeros((2, rows, columns), np.bool_)
    if records is None or not len(records):
        return x, y, used
    side = (records["source"] > 0).astype(np.intp)
    wide, high = records["w"].astype(np.intp), records["h"].astype(np.intp)
    left, top = (records["dst_x"] - wide // 2) // CELL, (records["dst_y"] - high // 2) // CELL
    scale = np.maximum(records["motion_scale"].astype(np.int64), 1)
    across, down = (records[name].astype(np.int64) * 4 // scale for name in ("motion_x", "motion_y"))
    for i in range(int(high.max()) // CELL):
        for j in range(int(wide.max()) // CELL):
            row, column = top + i, left + j
            some = (i * CELL < high) & (j * CELL < wide)
            some &= (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
            place = side[some], row[some], column[some]
            x[place], y[place], used[place] = across[some], down[some], True
    return x, y, used


@cache
def codec_version() -> str:
    """Versions of everything that decides the stream and its pictures: x264 by its own word, PyAV, FFmpeg."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    data = b"".join(data for _, data in encode([grey], Encoding("libx264", crf=23), (64, 64), 24.0).packets)
    core = _CORE.search(data)
    return f"x264 {core[1].decode() if core else 'unknown'}, {decoder_version()}"
