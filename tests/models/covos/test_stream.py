"""The clip through the codec: types, vectors, residual; the same bits whoever makes them."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
from typing import Any

import numpy as np
import pytest

from robust_vos_bench.adapters.covos.compensation import decoded, residual
from robust_vos_bench.adapters.covos.key_frames import KeyFrames, base_video, extended
from robust_vos_bench.adapters.covos.stream import Picture, Stream, codec_version, decode, encode, encoding, painted
from robust_vos_bench.datasets.clips.coding import codec_context, load_codecs
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import DataError

from .clips import square

SETTINGS = encoding(23, "medium", 4, 250)


def coded(video: Video) -> Stream:
    return encode(video.frames, SETTINGS, video.size, 24.0)


def test_key_frames_are_those_that_the_decoder_calls_i_or_p() -> None:
    stream = coded(square(24)[0])
    context = codec_context(load_codecs(), "h264", "r")
    av = load_codecs()
    kinds: dict[int, int] = {}
    for time, data in (*stream.packets, (None, None)):
        packet = None if data is None else av.Packet(data)
        if packet is not None:
            packet.pts = packet.dts = time
        kinds.update({int(p.pts): int(p.pict_type) for p in context.decode(packet)})
    assert {t for t, kind in kinds.items() if kind in (1, 2)} == stream.keys
    assert 0 in stream.keys and len(stream) - 1 in stream.keys and len(stream.keys) < 18


def test_vectors_point_at_the_key_frames_around() -> None:
    """Compensated with the frames that they are said to mean, pictures are far closer than with any others."""
    video, truth = square(24)
    stream = coded(video)
    pictures = list(decode(stream))
    keys = sorted(stream.keys)
    missed: dict[str, list[float]] = {"right": [], "exchanged": [], "farther": []}
    for t in sorted(set(range(2, 22)) - stream.keys):
        before, after = [k for k in keys if k < t], [k for k in keys if k > t]
        pairs = {"right": (before[-1], after[0]), "exchanged": (after[0], before[-1])}
        if len(before) > 1 and len(after) > 1:
            pairs["farther"] = before[-2], after[1]
        for name, (past, future) in pairs.items():
            near = [Picture(t + away, *vars_of(pictures[k])) for away, k in ((-1, past), (1, future))]
            said = decoded(pictures[t], near[0], near[1], True)
            assert said.residual is not None and said.x.shape == (2, *video.size)
            covered = said.offsets.any(0) & truth[t]
            if covered.any():
                missed[name].append(float(np.abs(said.residual[covered]).mean()))
    right = float(np.mean(missed["right"]))
    assert len(missed["farther"]) > 5
    assert all(right < 0.4 * np.mean(missed[name]) for name in ("exchanged", "farther")), missed


def vars_of(picture: Picture) -> tuple[np.ndarray, ...]:
    return picture.frame, picture.x, picture.y, picture.used


def test_residual_is_its_definition() -> None:
    """Lists alone, both, and none; quarters of a pixel between neighbours; beyond the border its last pixel."""
    rng = np.random.default_rng(1)
    past, future, frame = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
    x, y = np.zeros((2, 2, 8, 8), np.int16)
    used = np.zeros((2, 8, 8), bool)
    used[0, :4], used[1, 2:6] = True, True
    x[0, 0, 0], x[1, 5, 7], y[0, 1, 1] = 2, 40, 4
    found = residual(frame, (past, future), x, y, used) * 255
    old, new, now = past.astype(float), future.astype(float), frame.astype(float)
    assert np.allclose(found[0, 0], now[0, 0] - (old[0, 0] + old[0, 1]) / 2, atol=1)
    assert np.allclose(found[1, 1], now[1, 1] - old[2, 1], atol=1e-3)
    assert np.allclose(found[3, 3], now[3, 3] - (old[3, 3] + new[3, 3]) / 2, atol=1e-3)
    assert np.allclose(found[5, 7], now[5, 7] - new[5, 7], atol=1e-3)
    assert np.allclose(found[7], 255)


def test_records_are_painted_on_cells() -> None:
    kind = [("source", "i4"), ("w", "u1"), ("h", "u1"), ("dst_x", "i2"), ("dst_y", "i2"), ("motion_x", "i4")]
    records = np.zeros(3, [*kind, ("motion_y", "i4"), ("motion_scale", "u2")])
    records[0] = (-1, 16, 16, 8, 8, 6, -3, 4)
    records[1] = (1, 8, 16, 20, 8, -2, 0, 2)  # half pixels
    records[2] = (1, 16, 8, 24, 20, 1, 1, 4)  # reaches past the picture
    x, y, used = painted(records, 5, 6)
    assert used[0, :4, :4].all() and used[0].sum() == 16 and (x[0, :4, :4] == 6).all() and (y[0, :4, :4] == -3).all()
    assert (x[1, :4, 4:6] == -4).all() and (x[1, 4, 4:6] == 1).all() and used[1].sum() == 10
    assert not painted(None, 5, 6)[2].any()


def fingerprint(video: Video) -> str:
    """Of a stream and all that the decoder says."""
    stream = coded(video)
    digest = hashlib.sha256(b"".join(data for _, data in stream.packets))
    for picture in decode(stream):
        for part in (picture.frame, picture.x, picture.y, picture.used):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _fresh(results: Any) -> None:
    results.put(fingerprint(square(12)[0]))


def test_the_same_bits_in_any_process_and_beside_other_streams() -> None:
    video, other = square(12)[0], square(9, (50, 70))[0]
    expected = fingerprint(video)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_fresh, args=(results,))
    process.start()
    open_ = decode(coded(other))
    next(open_)
    assert fingerprint(video) == expected
    next(open_)
    assert fingerprint(video) == expected
    assert results.get(timeout=120) == expected
    process.join(60)


def test_stretches_with_a_prompt_are_key_frames_to_their_end() -> None:
    assert extended({0, 4, 7}, [], 8) == [0, 4, 7]
    assert extended({0, 4, 7}, [2, 4], 8) == [0, 2, 3, 4, 7]
    assert extended({0, 4, 7}, [5, 6], 8) == [0, 4, 5, 6, 7]


def test_pictures_between_wait_for_their_key_frame() -> None:
    """Also where the base model reads ahead, or reads twice."""
    video, _ = square(20)
    stream = coded(video)
    keys = sorted(stream.keys)
    source = KeyFrames(stream, keys)
    given = base_video(video, source, 0)
    assert len(given) == len(keys) and given.frame_names == tuple(f"{k:05d}" for k in keys)
    pictures = list(decode(stream))
    for _ in range(2):
        frames = list(given.frames)
        assert all(np.array_equal(frame, pictures[k].frame) for frame, k in zip(frames, keys))
    times = [[picture.time for picture in source.take(number)] for number in range(len(keys))]
    assert [t for some in times for t in some] == list(range(20)) and [some[-1] for some in times] == keys
    list(given.frames)
    assert not source._waiting


@pytest.mark.parametrize("ahead", [-2, -1, 0, 1, 99])
def test_a_base_model_reads_when_it_likes(ahead: int) -> None:
    """Late, in step, ahead, everything at first: the same frames, and the same pictures between."""
    video, _ = square(20)
    stream = coded(video)
    keys = sorted(stream.keys)
    pictures = [picture.frame for picture in decode(stream)]
    source = KeyFrames(stream, keys)
    reader, frames, times = iter(source), [], []
    for number in range(len(keys)):
        while len(frames) < min(number + ahead + 1, len(keys)):
            frames.append(next(reader))
        times += [picture.time for picture in source.take(number)]
    frames += list(reader)
    assert times == list(range(20)) and len(frames) == len(keys) and not source._waiting
    assert all(np.array_equal(frame, pictures[k]) for frame, k in zip(frames, keys))


def test_what_cannot_be_decoded_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = coded(square(8)[0])
    with pytest.raises(DataError, match=r"the decoder gave \d of 7 frames"):
        list(decode(Stream(stream.encoder, stream.size, stream.packets[:3] + stream.packets[4:])))
    frames = [np.zeros((64, 64, 3), np.uint8), np.zeros((64, 66, 3), np.uint8)]
    with pytest.raises(DataError, match=r"frame 1 is \(64, 66\), but the video is \(64, 64\)"):
        encode(frames, SETTINGS, (64, 64), 24.0)


def test_the_version_of_the_codec_is_told() -> None:
    assert re.fullmatch(r"x264 \d+( r\d+)?, av [\d.]+ libavcodec .*libswscale [\d.]+", codec_version())


def test_a_picture_without_vectors_is_intra() -> None:
    blank = Picture(1, np.zeros((8, 8, 3), np.uint8), *painted(None, 16, 16))
    around = [Picture(t, blank.frame, blank.x, blank.y, blank.used) for t in (0, 2)]
    said = decoded(blank, around[0], around[1], True)
    assert not said.offsets.any() and said.residual is not None and (said.residual == 1).all()
