"""Small video files, made with PyAV."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SIZE = (48, 64)


def pictures(count: int = 8, size: tuple[int, int] = SIZE) -> list[NDArray[np.uint8]]:
    """Smooth pictures, each brighter than the last, which codecs hardly change; RGB uint8 H x W x 3."""
    y, x = np.mgrid[: size[0], : size[1]]
    made = []
    for t in range(count):
        channels = (40 + x * 120 // size[1] + 6 * t, 60 + y * 100 // size[0] + 6 * t, 90 + (x + y) // 4 + 6 * t)
        made.append(np.stack(channels, axis=-1).astype(np.uint8))
    return made


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    **context: Any,
) -> Path:
    """Write frames as a video file. times: of each frame in milliseconds. context: attributes of the codec context."""
    frames = pictures() if frames is None else frames
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=24)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.options = {"crf": "4", **(options or {})} if codec == "libx264" else options or {}
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for t, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            if times is not None:
                picture.pts, picture.time_base = times[t], Fraction(1, 1000)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


def write_planes(path: Path, planes: Sequence[int], codec: str, pixels: str, **context: Any) -> Path:
    """A video of three frames of one colour, given as the 8-bit codes of its Y, Cb and Cr planes, stored exactly."""
    deep = "10" in pixels
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=24)
        stream.height, stream.width = SIZE
        stream.pix_fmt = pixels
        stream.options = {"crf": "0", "x265-params": "log-level=none"}
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for _ in range(3):
            picture = av.VideoFrame(SIZE[1], SIZE[0], pixels)
            for name in ("colorspace", "color_range"):
                if name in context:
                    setattr(picture, name, context[name])
            for plane, code in zip(picture.planes, planes):
                kind = np.uint16 if deep else np.uint8
                values = np.full((plane.height, plane.line_size // kind().itemsize), code * (4 if deep else 1), kind)
                plane.update(values.tobytes())
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


def turn_file(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the display matrix (a, b, c, d) of an MP4 file."""
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 44
    a, b, c, d = (value * 65536 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
