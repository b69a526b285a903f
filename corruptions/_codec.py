"""Frames through a real encoder and decoder (PyAV), streamed with bounded memory and repeatable bit for bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from robust_vos_bench.datasets.clips.coding import DECODERS, Encoder, Encoding, codec_context, load_codecs
from robust_vos_bench.datasets.clips.planes import coded_size, from_planes
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import DataError

Channel = Callable[[int, bytes], bytes]
"""What a lossy line does to the coded picture of frame t (Annex B bytes); b"" where nothing arrives."""


class Decoder:
    """A decoder that survives any input: damage gives concealed pictures or none, never an exception."""

    def __init__(self, encoder: str, size: tuple[int, int]) -> None:
        self.av = load_codecs()
        self.size = size
        self.context = codec_context(self.av, DECODERS[encoder], "r")
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
    av = load_codecs()
    encoder: Encoder | None = None
    decoder: Decoder | None = None
    size = (0, 0)
    for t, frame in enumerate(frames):
        if encoder is None or decoder is None:
            size = (int(frame.shape[0]), int(frame.shape[1]))
            encoder, decoder = Encoder(av, encoding, size, fps), Decoder(encoding.encoder, size)
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
    av = load_codecs()
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
