"""Video codecs: H.264 and H.265 at falling quality and rate, and damage to the real bitstream.

Frames go through libx264 / libx265 and FFmpeg's decoders (PyAV, extra `[video]`), as BT.601 full-range 4:2:0. Odd
sizes are padded by repeating the last row and column, and cropped afterwards. Encoders run in one thread, libx264
without macroblock tree and lookahead, so that the same frames give the same stream bit for bit in any process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.clips.coding import Encoding
from robust_vos_bench.datasets.video import Frame

from ._codec import transcode, transmit
from ._codec_damage import BitErrors, PacketLoss

H264_CRF = (28.0, 33.0, 38.0, 43.0, 48.0)
H265_CRF = (30.0, 35.0, 40.0, 45.0, 50.0)
H264_KBITS = (1000.0, 600.0, 350.0, 200.0, 120.0)
H265_KBITS = (600.0, 350.0, 200.0, 120.0, 70.0)
PACKET_LOSS = (0.005, 0.01, 0.02, 0.05, 0.1)
BIT_ERRORS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4)

_RATE_UNIT = "kbit/s for 854 x 480 at 24 frames/s; elsewhere with the power 0.75 of pixels per second"
_REFERENCE_RATE = 854 * 480 * 24.0


def _live(crf: float, fps: float) -> Encoding:
    """H.264 as a camera sends it: no frame waits for a later one, a key frame every 2 s, slices of one packet."""
    return Encoding(
        "libx264",
        preset="veryfast",
        crf=crf,
        params={
            "bframes": "0",
            "sync-lookahead": "0",
            "keyint": str(max(1, round(2 * fps))),
            "scenecut": "0",
            "slice-max-size": "1200",
        },
    )


def _with_first(frames: Iterable[Frame]) -> tuple[Frame | None, Iterator[Frame]]:
    source = iter(frames)
    first = next(source, None)

    def again() -> Iterator[Frame]:
        if first is not None:
            yield first
        yield from source

    return first, again()


def _at_rate(frames: Iterable[Frame], encoder: str, preset: str, kbits: float, fps: float) -> Iterator[Frame]:
    first, source = _with_first(frames)
    if first is not None:
        # Fewer pixels need more bits each: rates that look alike grow with the power 0.75 of pixels, a rule of thumb.
        share = (first.shape[0] * first.shape[1] * fps / _REFERENCE_RATE) ** 0.75
        yield from transcode(source, Encoding(encoder, preset, kbits=kbits * share), fps)


@corruption(
    "h264_crf",
    "codec",
    scope="clip",
    profiles=False,
    summary="H.264 (libx264) at constant rate factor",
    unit="CRF",
    values=H264_CRF,
)
def h264_crf(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """H.264 at CRF 28 / 33 / 38 / 43 / 48, preset medium."""
    return transcode(frames, Encoding("libx264", crf=at_severity(H264_CRF, severity)), draw.fps)


@corruption(
    "h265_crf",
    "codec",
    scope="clip",
    profiles=False,
    summary="H.265 (libx265) at constant rate factor",
    unit="CRF",
    values=H265_CRF,
)
def h265_crf(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """H.265 at CRF 30 / 35 / 40 / 45 / 50, preset veryfast."""
    return transcode(frames, Encoding("libx265", "veryfast", crf=at_severity(H265_CRF, severity)), draw.fps)


@corruption(
    "h264_bitrate",
    "codec",
    scope="clip",
    profiles=False,
    summary="H.264 (libx264) at a given rate, one second of buffer",
    unit=_RATE_UNIT,
    values=H264_KBITS,
)
def h264_bitrate(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """H.264 at 1000 / 600 / 350 / 200 / 120 kbit/s for 480p at 24 frames/s."""
    return _at_rate(frames, "libx264", "medium", at_severity(H264_KBITS, severity), draw.fps)


@corruption(
    "h265_bitrate",
    "codec",
    scope="clip",
    profiles=False,
    summary="H.265 (libx265) at a given rate, one second of buffer",
    unit=_RATE_UNIT,
    values=H265_KBITS,
)
def h265_bitrate(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """H.265 at 600 / 350 / 200 / 120 / 70 kbit/s for 480p at 24 frames/s."""
    return _at_rate(frames, "libx265", "veryfast", at_severity(H265_KBITS, severity), draw.fps)


@corruption(
    "packet_loss",
    "codec",
    scope="clip",
    profiles=False,
    clean_reference=True,
    temporal=("frame",),
    summary="Network packets of an H.264 stream lost in bursts; the decoder conceals what is missing",
    unit="share of packets lost",
    values=PACKET_LOSS,
)
def packet_loss(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """0.5 / 1 / 2 / 5 / 10 % of the packets lost in bursts of 2 on average; key frames every 2 s end the damage.

    H.264 at CRF 23 in slices of at most 1200 bytes, one a packet. Frame 0 always arrives whole (its prompt would be
    meaningless otherwise). Where nothing of a frame arrives, the picture before it is shown again.
    """
    return transmit(frames, _live(23.0, draw.fps), draw.fps, PacketLoss(draw, at_severity(PACKET_LOSS, severity)))


@corruption(
    "bit_errors",
    "codec",
    scope="clip",
    profiles=False,
    clean_reference=True,
    temporal=("frame",),
    summary="Bits of an H.264 stream flipped; the decoder conceals what it cannot read",
    unit="bit error rate",
    values=BIT_ERRORS,
)
def bit_errors(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """Bits of slices flipped at a rate of 1e-6 / 3e-6 / 1e-5 / 3e-5 / 1e-4; stream and first frame as `packet_loss`."""
    return transmit(frames, _live(23.0, draw.fps), draw.fps, BitErrors(draw, at_severity(BIT_ERRORS, severity)))
