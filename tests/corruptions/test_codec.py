"""Codecs: as many frames as came in, on any size; ladders that fall; streams that repeat; damage that never crashes."""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, find_corruption
from robust_vos_bench.corruptions import _codec, codec
from robust_vos_bench.corruptions._codec import transcode, transmit
from robust_vos_bench.corruptions._codec_damage import BitErrors, PacketLoss, is_slice, nal_units
from robust_vos_bench.datasets.clips import coding
from robust_vos_bench.datasets.clips.coding import Encoding
from robust_vos_bench.datasets.clips.planes import from_planes, to_planes
from robust_vos_bench.errors import DataError, MissingExtraError

pytest.importorskip("av", reason="needs the extra [video]")
MakeDraw = Callable[..., Draw]
NAMES = ("h264_crf", "h265_crf", "h264_bitrate", "h265_bitrate", "packet_loss", "bit_errors")
LADDERS = NAMES[:4]


def panned(photo: np.ndarray, frames: int, height: int = 96, width: int = 128) -> list[np.ndarray]:
    """A clip that pans over a natural image, 3 px a frame."""
    return [
        np.ascontiguousarray(photo[40 + t : 40 + t + height, 100 + 3 * t : 100 + 3 * t + width]) for t in range(frames)
    ]


def run(name: str, clip: list[np.ndarray], draw: Draw, severity: float = 3.0) -> list[np.ndarray]:
    return list(find_corruption(name).function(iter(clip), severity, draw))


def error(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    return float(np.mean([(a.astype(float) - b) ** 2 for a, b in zip(one, other)]))


def digest(frames: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (63, 65), (130, 97)])
def test_any_size_and_length(name: str, size: tuple[int, int], make_draw: MakeDraw) -> None:
    rng = np.random.default_rng(0)
    for frames in (1, 5):
        clip = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(frames)]
        result = run(name, clip, make_draw(name, num_frames=frames))
        assert len(result) == frames
        assert all(frame.shape == (*size, 3) and frame.dtype == np.uint8 for frame in result)


@pytest.mark.parametrize("name", NAMES)
def test_no_frames_give_no_frames(name: str, make_draw: MakeDraw) -> None:
    assert run(name, [], make_draw(name)) == []


def test_planes_keep_grey_pictures_and_smooth_colour() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert np.abs(from_planes(to_planes(grey), 16, 16).astype(int) - grey).max() <= 1
    rows, columns = np.mgrid[0:67, 0:91]
    smooth = np.stack([rows * 2, columns * 2, 255 - rows - columns], axis=2).astype(np.uint8)
    assert np.abs(from_planes(to_planes(smooth), 67, 91).astype(int) - smooth).mean() < 1.5


@pytest.mark.parametrize("name", LADDERS)
def test_quality_falls_with_severity(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    clip = panned(photo, 16, 160, 208)
    errors = [error(clip, run(name, clip, make_draw(name, level), level)) for level in (1, 2, 3, 4, 5)]
    assert errors == sorted(errors)
    assert errors[4] > 2.0 * errors[0] > 0.0


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_rate_is_the_rate_asked_for(encoder: str, photo: np.ndarray) -> None:
    clip = panned(photo, 48, 160, 208)
    for kbits in (60.0, 240.0):
        packets = _codec._packets(iter(clip), Encoding(encoder, "veryfast", kbits=kbits), 24.0)
        seconds = len(clip) / 24.0
        rate = sum(len(bytes(packet)) for packet, _ in packets) * 8 / 1000.0 / seconds
        # The buffer of one second may be spent on top of the mean rate.
        assert 0.5 * kbits < rate < kbits * (1.0 + 1.0 / seconds)


@pytest.mark.parametrize(
    "encoding",
    [
        Encoding("libx264", crf=23.0),
        Encoding("libx264", kbits=80.0),
        Encoding("libx265", "veryfast", crf=40.0),
        codec._live(23.0, 24.0),
    ],
    ids=["x264-crf", "x264-rate", "x265", "live"],
)
def test_streams_repeat_in_a_process_that_decodes_in_between(encoding: Encoding, photo: np.ndarray) -> None:
    clip, other = panned(photo, 10), panned(photo[::-1], 5)

    def stream(decode: bool) -> bytes:
        data = b""
        for packet, decoder in _codec._packets(iter(clip), encoding, 24.0):
            data += bytes(packet)
            if decode:
                decoder.decode(packet)
        return data

    first = stream(decode=False)
    for turn in range(6):
        list(transcode(iter(other), Encoding(("libx264", "libx265")[turn % 2], "veryfast", crf=30.0), 24.0))
        assert stream(decode=turn % 3 > 0) == first


def _fresh(name: str, severity: int, clip: list[np.ndarray], draw: Draw, results: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    results.put(digest(run(name, clip, draw, severity)))


@pytest.mark.parametrize("name", ["h264_crf", "bit_errors"])
def test_a_fresh_process_gives_the_same_frames(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    clip, draw = panned(photo, 12), make_draw(name, 5, num_frames=12)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_fresh, args=(name, 5, clip, draw, results))
    process.start()
    fresh = results.get(timeout=120)
    process.join(60)
    assert fresh == digest(run(name, clip, draw, 5)) == digest(run(name, clip, draw, 5))


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_streamed(name: str, photo: np.ndarray, make_draw: MakeDraw) -> None:
    taken = 0

    def source() -> Iterator[np.ndarray]:
        nonlocal taken
        for t in range(150):
            taken += 1
            yield photo[t % 50 : t % 50 + 64, :64]

    furthest = 0
    draw = make_draw(name, num_frames=150)
    for given, _ in enumerate(find_corruption(name).function(source(), 3.0, draw)):
        furthest = max(furthest, taken - given)
    assert furthest < 60


def test_a_size_that_changes_is_refused(photo: np.ndarray, make_draw: MakeDraw) -> None:
    clip = [photo[:64, :64], photo[:64, :66]]
    for name in ("h264_crf", "bit_errors"):
        with pytest.raises(DataError, match="frame 1"):
            run(name, clip, make_draw(name))


def test_missing_av_names_the_extra(monkeypatch: pytest.MonkeyPatch, photo: np.ndarray, make_draw: MakeDraw) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for name in NAMES:
        with pytest.raises(MissingExtraError, match=r"pip install 'rvos-bench\[video\]'"):
            run(name, [photo[:64, :64]], make_draw(name))


def test_a_codec_missing_from_the_build_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"'libnothing' is missing.*rvos-bench\[video\]"):
        coding.codec_context(coding.load_codecs(), "libnothing", "w")


def test_first_frame_arrives_whole_and_damage_grows(photo: np.ndarray, make_draw: MakeDraw) -> None:
    clip = panned(photo, 40, 160, 208)
    intact = list(transmit(iter(clip), codec._live(23.0, 24.0), 24.0, lambda t, data: data))
    assert error(intact, clip) < 30.0
    for name in ("packet_loss", "bit_errors"):
        errors = []
        for level in (1, 5):
            result = run(name, clip, make_draw(name, level, num_frames=40), level)
            assert np.array_equal(result[0], intact[0])
            errors.append(error(result, clip))
        assert errors[1] > 2.0 * errors[0]


def test_packets_are_lost_at_the_stated_rate(make_draw: MakeDraw) -> None:
    unit, header = b"\x01" + bytes(range(1, 50)), b"\x07abc"
    data = b"".join(b"\0\0\0\1" + part for part in [header] + [unit] * 20)
    loss = PacketLoss(make_draw("packet_loss"), rate=0.1, burst=2.0)
    assert loss(0, data) == data
    arrived = [loss(t, data) for t in range(1, 401)]
    # 8000 packets; bursts of 2 widen the deviation of the share (0.0034) to about 0.006.
    assert loss.lost / loss.sent == pytest.approx(0.1, abs=0.02)
    assert all(header in list(nal_units(piece)) for piece in arrived if piece)
    again = PacketLoss(make_draw("packet_loss"), rate=0.1, burst=2.0)
    again(0, data)
    assert [again(t, data) for t in range(1, 401)] == arrived


def test_bits_flip_at_the_stated_rate_and_only_in_slices(make_draw: MakeDraw) -> None:
    rng = np.random.default_rng(0)
    slices = b"\x41" + bytes(rng.integers(4, 256, 4000, dtype=np.uint8))
    header = b"\x67" + bytes(range(1, 40))
    data = b"\0\0\0\1" + header + b"\0\0\0\1" + slices
    errors = BitErrors(make_draw("bit_errors"), 1e-3)
    for t in range(1, 40):
        units = list(nal_units(errors(t, data)))
        assert [units[0], len(units)] == [header, 2]
        assert units[1][0] == slices[0] and len(units[1]) == len(slices)
    assert errors.flipped / errors.bits == pytest.approx(1e-3, rel=0.15)


def test_where_nothing_arrives_the_last_picture_stays(photo: np.ndarray) -> None:
    clip = panned(photo, 12)
    result = list(transmit(iter(clip), codec._live(23.0, 24.0), 24.0, lambda t, data: data if t < 4 else b""))
    assert len(result) == 12
    assert all(np.array_equal(frame, result[3]) for frame in result[4:])
    nothing = list(transmit(iter(clip), codec._live(23.0, 24.0), 24.0, lambda t, data: b""))
    assert all(np.array_equal(a, b) for a, b in zip(nothing, clip))


def wreck(rng: np.random.Generator) -> Callable[[int, bytes], bytes]:
    """A line that does anything to a stream: cuts, garbage, swapped and repeated units, broken headers, noise."""
    held = b""

    def channel(t: int, data: bytes) -> bytes:
        nonlocal held
        kind = rng.integers(8)
        if kind == 0:
            return data[: rng.integers(0, len(data) + 1)]
        if kind == 1:
            return rng.bytes(int(rng.integers(1, 400)))
        if kind == 2:
            damaged = np.frombuffer(data, np.uint8).copy()
            damaged[rng.integers(0, len(damaged), 1 + len(damaged) // 20)] ^= 255
            return damaged.tobytes()
        if kind == 3:
            units = [b"\0\0\0\1" + unit for unit in nal_units(data)]
            rng.shuffle(units)
            return b"".join(units)
        if kind == 4:
            held, data = data, held
            return data
        if kind == 5:
            return data + data
        if kind == 6:
            return b"\0\0\0\1" + bytes([rng.integers(256)]) + data[5:]
        return data

    return channel


def fuzz(photo: np.ndarray, rounds: range) -> None:
    clip = panned(photo, 20, 64, 80)
    for seed in rounds:
        rng = np.random.default_rng(seed)
        result = list(transmit(iter(clip), codec._live(30.0, 24.0), 24.0, wreck(rng)))
        assert len(result) == len(clip)
        assert all(frame.shape == clip[0].shape and frame.dtype == np.uint8 for frame in result)


@pytest.mark.timeout(120)
def test_a_wrecked_stream_never_crashes(photo: np.ndarray) -> None:
    fuzz(photo, range(25))


@pytest.mark.slow
def test_a_wrecked_stream_never_crashes_many_times(photo: np.ndarray) -> None:
    fuzz(photo, range(1000, 1600))


@pytest.mark.slow
def test_4k_odd(photo: np.ndarray, make_draw: MakeDraw) -> None:
    large = np.tile(photo, (5, 8, 1))[:2161, :3841]
    for name in NAMES:
        result = run(name, [large, large[::-1].copy()], make_draw(name, num_frames=2), 5)
        assert [frame.shape for frame in result] == [large.shape] * 2


def test_slices_are_told_from_parameter_sets() -> None:
    assert is_slice(b"\x65abc") and is_slice(b"\x41abc")
    assert not is_slice(b"\x67abc") and not is_slice(b"\x68") and not is_slice(b"")
