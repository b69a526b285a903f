"""Frames through a real encoder and decoder (PyAV), streamed with bounded memory and repeatable bit for bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import DataError, MissingExtraError

from ._codec_planes import coded_size, from_planes, to_planes

Channel = Callable[[int, bytes], bytes]
"""What a lossy line does to the coded picture of frame t (Annex B bytes); b"" where nothing arrives."""


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


_DECODERS = {"libx264": "h264", "libx265": "hevc"}


def load_av() -> Any:
    """The PyAV module, or MissingExtraError naming the extra to install."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            "video codecs need PyAV (`av`), which is not installed: pip install 'rvos-bench[video]'"
        ) from error
    return av


def _context(av: Any, name: str, mode: str) -> Any:
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


class _Encoder:
    """One encoder for frames of one size."""

    def __init__(self, av: Any, encoding: Encoding, size: tuple[int, int], fps: float) -> None:
        self.av = av
        rate = Fraction(fps).limit_denominator(1001)
        self.context = _context(av, encoding.encoder, "w")
        self.context.height, self.context.width = coded_size(*size)
        self.context.pix_fmt = "yuv420p"
        self.context.framerate = rate
        self.context.time_base = 1 / rate
        self.context.options = encoding.options()

    def encode(self, frame: Frame, t: int) -> list[Any]:
        picture = self.av.VideoFrame.from_ndarray(to_planes(frame), format="yuv420p")
        picture.pts = t
        return list(self.context.encode(picture))

    def flush(self) -> list[Any]:
        return list(self.context.encode(None))


class Decoder:
    """A decoder that survives any input: damage gives concealed pictures or none, never an exception."""

    def __init__(self, encoder: str, size: tuple[int, int]) -> None:
        self.av = load_av()
        self.size = size
        self.context = _context(self.av, _DECODERS[encoder], "r")
        # Pictures with errors are wanted: concealing them is the decoder's own business.
        self.context.options = {"flags": "+output_corrupt", "ec": "guess_mvs+deblock"}

    def decode(self, packet: Any) -> list[tuple[int, Frame]]:
        """(time, RGB frame) of the pictures that a packet completes; None flushes. Wrong sizes are left out."""
        try:
            pictures = self.context.decode(packet)
        except self.av.error.FFmpegError:
            return []
        rows, columns = coded_size(*self.size)
        found = []
        for picture in pictures:
            if (picture.height, picture.width) == (rows, columns) and picture.pts is not None:
                planes = picture.to_ndarray()
                if planes.shape == (rows * 3 // 2, columns):
                    found.append((int(picture.pts), from_planes(planes, *self.size)))
        return found


def _packets(frames: Iterable[Frame], encoding: Encoding, fps: float) -> Iterator[tuple[Any, Decoder]]:
    """Coded packets in the order of decoding, each with the one decoder that the stream is meant for."""
    av = load_av()
    encoder: _Encoder | None = None
    decoder: Decoder | None = None
    size = (0, 0)
    for t, frame in enumerate(frames):
        if encoder is None or decoder is None:
            size = (int(frame.shape[0]), int(frame.shape[1]))
            encoder, decoder = _Encoder(av, encoding, size, fps), Decoder(encoding.encoder, size)
        if frame.shape[:2] != size:
            raise DataError(f"frame {t} is {frame.shape[:2]}, but the video began with {size}: one stream has one size")
        for packet in encoder.encode(frame, t):
            yield packet, decoder
    if encoder is not None and decoder is not None:
        for packet in encoder.flush():
            yield packet, decoder


def transcode(frames: Iterable[Frame], encoding: Encoding, fps: float) -> Iterator[Frame]:
    """The frames after encoding and decoding: as many as came in, in order, with the encoder's own delay in memory.

    Raises MissingExtraError where PyAV or the encoder is missing; DataError where frames change size.
    """
    decoder: Decoder | None = None
    for packet, decoder in _packets(frames, encoding, fps):
        for _, picture in decoder.decode(packet):
            yield picture
    if decoder is not None:
        for _, picture in decoder.decode(None):
            yield picture


def transmit(frames: Iterable[Frame], encoding: Encoding, fps: float, channel: Channel) -> Iterator[Frame]:
    """The frames as a live player shows them after a lossy line; exactly one for each that comes in.

    The encoding must have no B frames, so that packets come in the order of the frames. A frame of which nothing
    usable arrives in time shows the picture before it again; before any picture has arrived, the frame itself.
    """
    av = load_av()
    waiting: deque[Frame] = deque()

    def source() -> Iterator[Frame]:
        for frame in frames:
            waiting.append(frame)
            yield frame

    shown: Frame | None = None
    newest = -1
    for packet, decoder in _packets(source(), encoding, fps):
        t = int(packet.pts)
        data = channel(t, bytes(packet))
        if data:
            arrived = av.Packet(data)
            arrived.pts = arrived.dts = t
            arrived.time_base = packet.time_base
            for time, picture in decoder.decode(arrived):
                if newest < time <= t:
                    newest, shown = time, picture
        itself = waiting.popleft()
        yield itself if shown is None else shown
