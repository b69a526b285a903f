"""What a video file holds, found by decoding it once from end to end: damage is found before a run starts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from robust_vos_bench.datasets.clips.pyav import decoder_version, load_av
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.cache import remembered

RULES = 1
"""Raised when the same file and decoder come to give other frames or facts."""
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".3gp"),
    *(".mts", ".m2ts"),
)
"""Endings of files that are opened as videos, in small letters."""
UPRIGHT = (1, 0, 0, 1)
_TRANSFERS = {16: "pq", 18: "hlg"}
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_WORDS = {(-1, 0, 0, -1): "by 180 degrees", (0, 1, -1, 0): "clockwise by 90 degrees"}
_WORDS |= {(0, -1, 1, 0): "counter-clockwise by 90 degrees"}
_STRICT = {"err_detect": "explode"}
_one_at_a_time = threading.Lock()
"""FFmpeg's messages are collected for the whole process."""


@dataclass(frozen=True)
class ClipFacts:
    """A video file that has been decoded from end to end."""

    frames: int
    rows: int
    """As stored, before it is turned; so are `columns`."""
    columns: int
    turn: tuple[int, int, int, int]
    """(a, b, c, d) of the display matrix, each -1, 0 or 1: a pixel (x, y) is shown at (a x + c y, b x + d y)."""
    fps: float
    """Mean over the video; frames are never repeated or dropped to make it constant."""
    slowest: float
    """1 / the longest time between two frames; `fastest`: 1 / the shortest."""
    fastest: float
    codec: str
    pixels: str
    """FFmpeg's name of the pixel format: "yuv420p10le"."""
    bits: int
    """Per channel."""
    matrix: str
    """From YCbCr to RGB: "bt601", "bt709", "bt2020" ...; "" for RGB and grey."""
    said: bool
    """Whether the file names the matrix; else it goes by the size, as in players."""
    full: bool
    """Whether luma uses 0..255, not 16..235."""
    transfer: str
    """"pq" or "hlg" for HDR, else ""."""
    interlaced: bool
    pixel_aspect: tuple[int, int]
    """Width to height of a pixel."""
    streams: int
    """Video streams in the file; the one that players show is read."""
    oblique: bool
    """The display matrix is no multiple of 90 degrees; it is ignored."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) as shown, after it is turned."""
        return (self.rows, self.columns) if self.turn[0] else (self.columns, self.rows)

    @property
    def constant(self) -> bool:
        """Whether the frame rate is constant, but for the rounding of times in the file."""
        return self.fastest <= 1.25 * self.slowest or self.fastest * 0.003 > 1 - self.slowest / self.fastest

    def notes(self, name: str) -> list[str]:
        """What a person should know of how the file is read, one sentence each."""
        found = []
        if self.turn != UPRIGHT:
            h, w = self.size
            how = _WORDS.get(self.turn, "and mirrored")
            found.append(f"turned {how}, as its metadata says: frames and masks are {w} x {h} (width x height)")
        if self.oblique:
            found.append("its metadata asks for a rotation that is no multiple of 90 degrees: not applied")
        if not self.constant:
            rates = f"{self.slowest:.3g} to {self.fastest:.3g} frames per second"
            found.append(f"variable frame rate ({rates}): every stored frame counts once, none is repeated or dropped")
        if self.transfer:
            found.append(
                f"HDR ({self.transfer.upper()}): converted to 8-bit SDR, highlights above the reference white rolled "
                "off (docs/your-video.md)"
            )
        elif self.bits > 8:
            found.append(f"{self.bits} bits per channel: rounded to 8")
        if self.interlaced:
            found.append(
                "interlaced: both fields are read as one frame, so that motion shows combs; deinterlace it first "
                "(ffmpeg -i IN -vf bwdif=send_frame OUT.mp4)"
            )
        x, y = self.pixel_aspect
        if x != y:
            found.append(f"pixels are not square ({x}:{y}): frames are read as stored, and masks must fit that size")
        if self.streams > 1:
            found.append(f"{self.streams} video streams: the one that players show is read")
        return [f"{name}: {text}." for text in found]


def clip_facts(path: Path, again: bool = False) -> ClipFacts:
    """The facts of a video file, decoded once and then remembered as long as size and times of the file stay.

    again: decode it, whatever is remembered.

    Raises DataError, naming the file, where it cannot be read, holds no video, is truncated or damaged, or changes its
    size on the way; MissingExtraError without PyAV.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if again:
        return _survey(path)
    identity = f"{RULES} {decoder_version()}"
    return msgspec.convert(
        remembered("clips", identity, [path], lambda: asdict(_survey(path))), ClipFacts, strict=False
    )


def is_video_file(path: Path) -> bool:
    """Whether a name ends as video files do."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def opened(path: Path) -> Any:
    """The PyAV container of a file. Raises DataError, naming the file, where FFmpeg does not know what it is."""
    av = load_av()
    try:
        return av.open(str(path), options=dict(_STRICT))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if path.is_file() and not path.stat().st_size:
            raise DataError(f"{path}: empty file (0 bytes)") from error
        raise DataError(
            f"{path}: not a readable video file: it is damaged, truncated or no video ({_reason(error)})"
        ) from error


def video_stream(path: Path, container: Any) -> Any:
    """The video stream that players show, set to fail at damage instead of painting over it."""
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        others = ", ".join(sorted({f"{s.type}" for s in container.streams})) or "nothing that can be read"
        raise DataError(f"{path}: holds no video (only {others})")
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    stream.codec_context.options = dict(_STRICT)
    return stream


def decoded(path: Path, container: Any, stream: Any) -> Iterator[Any]:
    """The pictures of a stream in the order they are shown. Raises DataError where one cannot be decoded."""
    av = load_av()
    count = 0
    try:
        for picture in container.decode(stream):
            if picture.is_corrupt:
                raise DataError(f"{path}: damaged: frame {count} cannot be decoded whole")
            yield picture
            count += 1
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: damaged or truncated: frame {count} cannot be decoded ({_reason(error)}). Copy the file again; "
            "if it is damaged at its source, ffmpeg -i IN OUT.mp4 keeps what can be saved"
        ) from error


def _survey(path: Path) -> ClipFacts:
    av = load_av()
    with _one_at_a_time:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture(local=False) as messages, opened(path) as container:
                found = _decode_all(path, container)
        finally:
            av.logging.set_level(level)
    _refuse_truncated(path, messages)
    return found


def _decode_all(path: Path, container: Any) -> ClipFacts:
    stream = video_stream(path, container)
    stream.thread_type = "AUTO"
    declared = int(stream.frames) if "mov" in container.format.name else 0
    base = Fraction(stream.time_base or 1)
    first: Any = None
    times: list[Fraction] = []
    count, interlaced = 0, False
    turn, oblique = UPRIGHT, False
    for picture in decoded(path, container, stream):
        if first is None:
            first = picture
            turn, oblique = _turn(picture)
        if (picture.height, picture.width) != (first.height, first.width):
            raise DataError(
                f"{path}: frame {count} is {picture.width} x {picture.height}, those before it are {first.width} x "
                f"{first.height}; one video has one size"
            )
        interlaced = interlaced or bool(picture.interlaced_frame)
        if picture.pts is not None:
            times.append(picture.pts * base)
        count += 1
    if first is None:
        raise DataError(f"{path}: holds no frame that can be decoded; it is empty, truncated or damaged")
    if declared and _packets(path) < declared:
        raise DataError(
            f"{path}: truncated: it announces {declared} frames, and the file ends before that ({count} can be "
            "decoded). Copy the file again"
        )
    gaps = sorted(b - a for a, b in itertools.pairwise(times) if b > a)
    mean = Fraction(len(times) - 1) / (times[-1] - times[0]) if gaps and times[-1] > times[0] else None
    nominal = stream.average_rate or stream.guessed_rate
    if mean is None or (nominal and abs(nominal / mean - 1) < Fraction(1, 100)):
        mean = Fraction(nominal) if nominal else mean  # times are rounded in many files, the rate is not
    fps = float(mean) if mean else 24.0
    grey_or_rgb = first.format.is_rgb or first.format.name.startswith("gray") or "pal" in first.format.name
    said = int(first.colorspace) in _MATRICES
    by_size = "bt709" if first.width >= 1280 or first.height > 576 else "bt601"
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return ClipFacts(
        frames=count,
        rows=first.height,
        columns=first.width,
        turn=turn,
        fps=round(fps, 6),
        slowest=round(float(1 / gaps[-1]), 6) if gaps else fps,
        fastest=round(float(1 / gaps[0]), 6) if gaps else fps,
        codec=str(stream.codec_context.name),
        pixels=str(first.format.name),
        bits=max((int(c.bits) for c in first.format.components), default=8),
        matrix="" if grey_or_rgb else _MATRICES.get(int(first.colorspace), by_size),
        said=said,
        full=int(first.color_range) == 2 or first.format.name.startswith("yuvj"),
        transfer=_TRANSFERS.get(int(stream.codec_context.color_trc), ""),
        interlaced=interlaced,
        pixel_aspect=(int(aspect.numerator), int(aspect.denominator)) if aspect > 0 else (1, 1),
        streams=sum(not _is_cover(s) for s in container.streams.video),
        oblique=oblique,
    )


def _turn(picture: Any) -> tuple[tuple[int, int, int, int], bool]:
    """How the display matrix turns a picture; (upright, True) where it is no multiple of 90 degrees."""
    import numpy as np

    for kind in picture.side_data:
        if kind.type.name == "DISPLAYMATRIX":
            matrix = np.frombuffer(bytes(kind), np.int32)[[0, 1, 3, 4]] / 65536
            a, b, c, d = (int(v) for v in np.rint(matrix))
            square = bool(np.allclose(matrix, (a, b, c, d), atol=0.01)) and abs(a * d - b * c) == 1
            return ((a, b, c, d), False) if square and abs(a) + abs(b) == 1 else (UPRIGHT, True)
    return UPRIGHT, False


def _packets(path: Path) -> int:
    """Packets of the stream that are there, those that an edit list hides included."""
    with opened(path) as container:
        stream = video_stream(path, container)
        return sum(packet.size > 0 for packet in container.demux(stream))


def _refuse_truncated(path: Path, messages: Any) -> None:
    """Raise DataError where a container says more than the file holds."""
    cut = any("ended prematurely" in str(text) for _, _, text in messages)
    head = path.open("rb").read(12) if not cut else b""
    if head[:4] == b"RIFF":
        cut = int.from_bytes(head[4:8], "little") + 8 > path.stat().st_size
    if cut:
        raise DataError(f"{path}: truncated: the file ends before its video does. Copy the file again")


def _is_cover(stream: Any) -> bool:
    """Whether a video stream is the cover picture of a song."""
    return "attached_pic" in str(stream.disposition)


def _reason(error: BaseException) -> str:
    text = " ".join(str(getattr(error, "strerror", "") or error).split())
    return text or type(error).__name__
