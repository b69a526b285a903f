"""Writing films to look at: MP4 where PyAV is there, animated GIF, WebP and PNG by Pillow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.clips.pyav import load_av
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import MissingExtraError, UsageError
from robust_vos_bench.system.atomic import make_folder, replacing

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
"""Ending -> Pillow's format. All frames are held in memory, so these are for short clips."""
FILMS = (".mp4", *ANIMATIONS)
_ENCODERS = ("libx264", "mpeg4")
"""H.264, which every browser plays; MPEG-4 part 2 in builds of FFmpeg without it."""


def write_film(path: Path, frames: Iterable[Frame], fps: float = 24.0) -> Path:
    """Write frames (RGB uint8 H x W x 3, all of one size) as the ending of `path` says, whole or not at all.

    .mp4 streams: one frame is held. Sides that are odd get one more row or column, as the codec wants. Raises
    UsageError for another ending and for no frames, MissingExtraError for .mp4 without PyAV, WriteError.
    """
    check_film_name(path)
    make_folder(path.absolute().parent)
    with replacing(path) as part:
        if path.suffix.lower() == ".mp4":
            with contextlib.closing(Mp4Writer(part, fps)) as writer:
                for frame in frames:
                    writer.add(frame)
            count = writer.count
        else:
            count = _animation(part, ANIMATIONS[path.suffix.lower()], frames, fps)
        if not count:
            raise UsageError(f"{path}: nothing to write: there are no frames")
    return path


def check_film_name(path: Path) -> None:
    """Raise UsageError where the ending of a path is not one of a film."""
    if path.suffix.lower() not in FILMS:
        raise UsageError(f"{path}: films are written as {', '.join(FILMS)}; choose one of these endings")


class Mp4Writer:
    """An MP4 file that grows frame by frame; `close` finishes it."""

    def __init__(self, path: Path, fps: float) -> None:
        self._av = load_av()
        self._path, self._fps = path, fps
        self._container: Any = None
        self._stream: Any = None
        self.count = 0

    def add(self, frame: Frame) -> None:
        """Append one frame."""
        frame = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
        with _disk_errors(self._av):
            if self._stream is None:
                self._open(frame)
            picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            self._container.mux(self._stream.encode(picture))
        self.count += 1

    def close(self) -> None:
        """Write what the encoder still holds, and the end of the file."""
        if self._container is None:
            return
        container, self._container = self._container, None
        with _disk_errors(self._av):
            try:
                container.mux(self._stream.encode(None))
            finally:
                container.close()

    def _open(self, frame: Frame) -> None:
        self._container = self._av.open(str(self._path), "w", format="mp4", options={"movflags": "faststart"})
        rate = Fraction(min(max(self._fps, 1.0), 240.0)).limit_denominator(1001)
        name = next((name for name in _ENCODERS if name in self._av.codecs_available), None)
        if name is None:
            raise MissingExtraError(
                "this build of PyAV has no encoder for MP4; write a .gif or .webp, or pip install av"
            )
        self._stream = self._container.add_stream(name, rate=rate)
        self._stream.height, self._stream.width = frame.shape[:2]
        self._stream.pix_fmt = "yuv420p"
        if name == "libx264":
            self._stream.options = {"crf": "20", "preset": "veryfast"}
        else:
            self._stream.bit_rate = frame.shape[0] * frame.shape[1] * 8
        self._stream.codec_context.thread_count = 1  # workers share the cores among themselves


@contextlib.contextmanager
def _disk_errors(av: Any) -> Iterator[None]:
    """PyAV's errors that are the system's (a full disk) as plain OSError."""
    try:
        yield
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror) from error
        raise


def _animation(path: Path, format: str, frames: Iterable[Frame], fps: float) -> int:
    from PIL import Image

    pictures = [Image.fromarray(np.ascontiguousarray(picture)) for picture in frames]
    if pictures:
        # GIF counts in hundredths of a second, and players slow down what is faster than 50 per second.
        duration = max(20, round(1000 / fps))
        options: dict[str, Any] = {"quality": 85} if format == "WEBP" else {}
        pictures[0].save(path, format, save_all=True, append_images=pictures[1:], duration=duration, loop=0, **options)
    return len(pictures)
