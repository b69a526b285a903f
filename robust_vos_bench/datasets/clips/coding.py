"""Coding frames with a real encoder (PyAV), repeatable bit for bit: no threads, fixed-point colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from robust_vos_bench.datasets.clips.planes import coded_size, to_planes
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import MissingExtraError


@dataclass(frozen=True)
class Encoding:
    """Encoder settings. All threads are off, because more than one makes the stream depend on timing."""

    encoder: str
    """Name of the encoder in FFmpeg: "libx264" or "libx265"."""
    preset: str = "medium"
    crf: float | None = None
    """Constant rate factor; None where `kbits` sets the rate."""
    kbits: float | None = None
    """Mean rate in kbit/s, with a buffer (VBV) of one second."""
    params: dict[str, str] = field(default_factory=dict)
    """Further x264 / x265 parameters."""

    def options(self) -> dict[str, str]:
        """The options as FFmpeg's wrapper of the encoder takes them."""
        if self.encoder == "libx264":
            # With macroblock tree and lookahead the same frames have been seen to give different streams in processes
            # that also decode; without them, every frame is coded as soon as it comes, too.
            params = {"threads": "1", "mbtree": "0", "rc-lookahead": "0"}
        else:
            params = {"pools": "none", "frame-threads": "1", "log-level": "none"}
        options = {"preset": self.preset}
        if self.crf is not None:
            options["crf"] = f"{self.crf:g}"
        if self.kbits is not None:
            rate = max(1, round(self.kbits))
            options["b"] = str(rate * 1000)
            params |= {"vbv-maxrate": str(rate), "vbv-bufsize": str(rate)}
        params |= self.params
        options["x264-params" if self.encoder == "libx264" else "x265-params"] = ":".join(
            f"{key}={value}" for key, value in params.items()
        )
        return options


DECODERS = {"libx264": "h264", "libx265": "hevc"}
"""Encoder -> decoder of its streams."""


def load_codecs() -> Any:
    """The PyAV module, or MissingExtraError naming the extra to install."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            "video codecs need PyAV (`av`), which is not installed: pip install 'rvos-bench[video]'"
        ) from error
    return av


def codec_context(av: Any, name: str, mode: str) -> Any:
    """A codec with one thread; mode "w" encodes, "r" decodes. MissingExtraError where this PyAV has it not."""
    try:
        context = av.CodecContext.create(name, mode)
    except (av.error.FFmpegError, ValueError) as error:
        kind = "encoder" if mode == "w" else "decoder"
        raise MissingExtraError(
            f"the {kind} {name!r} is missing from this build of PyAV {av.__version__}; the wheels of "
            "pip install 'rvos-bench[video]' have it"
        ) from error
    context.thread_count = 1
    return context


class Encoder:
    """One encoder for frames of one size."""

    def __init__(self, av: Any, encoding: Encoding, size: tuple[int, int], fps: float) -> None:
        self.av = av
        rate = Fraction(fps).limit_denominator(1001)
        self.context = codec_context(av, encoding.encoder, "w")
        self.context.height, self.context.width = coded_size(*size)
        self.context.pix_fmt = "yuv420p"
        self.context.framerate = rate
        self.context.time_base = 1 / rate
        self.context.options = encoding.options()

    def encode(self, frame: Frame, t: int) -> list[Any]:
        """The packets that frame t completes, in the order of decoding."""
        picture = self.av.VideoFrame.from_ndarray(to_planes(frame), format="yuv420p")
        picture.pts = t
        return list(self.context.encode(picture))

    def flush(self) -> list[Any]:
        """All packets that are left."""
        return list(self.context.encode(None))
