"""Video files: which frames they give, what is said of them, and what is refused."""

from __future__ import annotations

import pickle
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from helpers.video_files import SIZE, pictures, turn_file, write_planes, write_video
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.datasets.clips import dataset as clips_dataset
from robust_vos_bench.datasets.clips.hdr import FULL, to_sdr
from robust_vos_bench.datasets.images import write_mask
from robust_vos_bench.errors import DataError, MissingExtraError, RvosError, UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of files belongs to one test."""
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def opened(path: Path, *masks: str) -> Dataset:
    """A video file without need of masks."""
    return open_dataset(str(path), masks=masks, bare=True)


def frames_of(path: Path) -> list[np.ndarray]:
    data = opened(path)
    return list(data.video(data.videos[0]).frames)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    (
        ("a.mp4", "libx264", "yuv420p"),
        ("a.MOV", "libx264", "yuv444p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.mkv", "ffv1", "yuv444p"),
    ),
)
def test_every_container_gives_every_frame_once_in_order(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, codec=codec, pixels=pixels, bit_rate=4_000_000)
    video = opened(path).video("a")
    assert (len(video), video.size, video.fps, video.frame_names[:2]) == (8, SIZE, 24.0, ("00000", "00001"))
    read = list(video.frames)
    for t, (frame, meant) in enumerate(zip(read, pictures(), strict=True)):
        assert frame.dtype == np.uint8 and np.abs(frame.astype(int) - meant).mean() < 4, t


def test_a_frame_is_the_same_in_any_order_and_process(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(20), options={"bf": "3"})
    frames = opened(path).video("a").frames
    whole = list(frames)
    for t in (7, 8, 19, 3, 3, -1):
        assert (frames[t] == whole[t]).all()  # type: ignore[index]
    assert all((a == b).all() for a, b in zip(pickle.loads(pickle.dumps(frames)), whole))
    assert [f.mean() for f in frames[2:5]] == [f.mean() for f in whole[2:5]]  # type: ignore[index]
    with pytest.raises(IndexError):
        frames[20]  # type: ignore[index]
    frames[0][:] = 0  # type: ignore[index]
    assert (frames[0] == whole[0]).all(), "each access gives an array of its own"  # type: ignore[index]


def test_a_long_video_is_never_in_memory(tmp_path: Path) -> None:
    size = (120, 160)
    path = write_video(tmp_path / "a.mp4", pictures(2, size) * 60, options={"preset": "ultrafast"})
    video = opened(path).video("a")
    tracemalloc.start()
    assert sum(1 for _ in video.frames) == 120
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * size[0] * size[1] * 3


def test_variable_frame_rate_keeps_every_frame_and_is_said(tmp_path: Path) -> None:
    times = [0, 40, 80, 500, 540, 1000, 1040, 1080]
    data = opened(write_video(tmp_path / "a.mp4", times=times))
    assert len(data.video("a")) == 8 and data.video("a").fps == pytest.approx(7 / 1.08, rel=0.01)
    assert "variable frame rate (2.17 to 25 frames per second)" in data.notes[0]
    steady = opened(write_video(tmp_path / "b.webm", codec="libvpx", times=[0, 33, 67, 100, 133, 167, 200, 233]))
    assert not steady.notes, "times in whole milliseconds are no variable rate"


@pytest.mark.parametrize(
    ("matrix", "shown", "words"),
    (
        ((0, 1, -1, 0), lambda f: np.rot90(f, -1), "clockwise by 90"),
        ((0, -1, 1, 0), lambda f: np.rot90(f, 1), "counter-clockwise by 90"),
        ((-1, 0, 0, -1), lambda f: np.rot90(f, 2), "by 180"),
        ((-1, 0, 0, 1), lambda f: f[:, ::-1], "mirrored"),
        ((0, 1, 1, 0), lambda f: f.swapaxes(0, 1), "mirrored"),
    ),
)
def test_the_display_matrix_is_applied(matrix, shown, words, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = write_video(tmp_path / "a.mp4", pixels="yuv444p")
    upright = frames_of(path)
    turn_file(path, matrix)
    data = opened(path)
    video = data.video("a")
    assert video.size == shown(upright[0]).shape[:2] and words in data.notes[0]
    assert all((frame == shown(first)).all() for frame, first in zip(video.frames, upright, strict=True))


def test_a_mask_has_the_size_that_is_shown(tmp_path: Path) -> None:
    turn_file(write_video(tmp_path / "a.mp4"), (0, 1, -1, 0))
    for name, size in (("stored", SIZE), ("shown", SIZE[::-1])):
        mask = np.zeros(size, np.uint8)
        mask[10:30, 10:30] = 1
        write_mask(tmp_path / f"{name}.png", mask)
    assert open_dataset(str(tmp_path / "a.mp4"), masks=[str(tmp_path / "shown.png")]).video("a").object_ids == (1,)
    with pytest.raises(DataError, match=r"stored\.png: a mask of 64 x 48 .* is shown turned, as its metadata says"):
        open_dataset(str(tmp_path / "a.mp4"), masks=[str(tmp_path / "stored.png")]).video("a")


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(3, (47, 63)), pixels="yuv444p")
    assert [frame.shape for frame in frames_of(path)] == [(47, 63, 3)] * 3


def rgb(y: int, cb: int, cr: int, kr: float, kb: float, full: bool) -> np.ndarray:
    """The definition of YCbCr (ITU-R BT.601 and BT.709)."""
    luma, blue, red = (
        (y, cb - 128, cr - 128) if full else ((y - 16) * 255 / 219, (cb - 128) * 255 / 224, (cr - 128) * 255 / 224)
    )
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    return np.clip([r, (luma - kr * r - kb * b) / (1 - kr - kb), b], 0, 255)


@pytest.mark.parametrize(
    ("space", "value_range", "kr", "kb"),
    ((1, 1, 0.2126, 0.0722), (6, 1, 0.299, 0.114), (1, 2, 0.2126, 0.0722), (2, 1, 0.299, 0.114)),
)
def test_colours_follow_the_matrix_and_range_that_the_file_names(
    space: int, value_range: int, kr: float, kb: float, tmp_path: Path
) -> None:
    """2 is "not said": a picture as small as this is BT.601."""
    codes = (120, 100, 150)
    path = write_planes(tmp_path / "a.mp4", codes, "libx264", "yuv444p", colorspace=space, color_range=value_range)
    meant = rgb(*codes, kr, kb, value_range == 2)
    assert np.abs(frames_of(path)[1][20, 20] - meant).max() <= 1


def test_ten_bits_are_rounded_and_said(tmp_path: Path) -> None:
    path = write_planes(tmp_path / "a.mkv", (120, 100, 150), "ffv1", "yuv444p10le", colorspace=1, color_range=1)
    assert "10 bits per channel: rounded to 8" in opened(path).notes[0]
    assert np.abs(frames_of(path)[0][5, 5] - rgb(120, 100, 150, 0.2126, 0.0722, False)).max() <= 1


def pq(light: float) -> int:
    """Code of a light in cd/m2, by SMPTE ST 2084."""
    y = (light / 10000) ** (2610 / 16384)
    return round(FULL * ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32))


def test_hdr_light_is_converted_as_documented(tmp_path: Path) -> None:
    grey = np.array([[[pq(light)] * 3 for light in (0, 50, 100, 162, 203, 10000)]], np.uint16)
    below = [255 * (light / 203) ** (1 / 2.4) for light in (0, 50, 100, 162)]
    rolled = 255 * (0.8 + 0.2 * (1 - np.exp(-(1 - 0.8) / 0.2))) ** (1 / 2.4)
    found = to_sdr(grey, "pq")[0]
    assert np.abs(found[:, 0] - [*below, rolled, 255]).max() <= 1 and (np.ptp(found.astype(int), axis=1) <= 1).all()
    hlg = to_sdr(np.full((1, 1, 3), round(0.75 * FULL), np.uint16), "hlg")[0, 0]
    assert np.abs(hlg - rolled).max() <= 2, "75 % of HLG is the reference white"
    path = write_planes(
        tmp_path / "a.mp4", (120, 128, 128), "libx265", "yuv420p10le",
        colorspace=9, color_range=1, color_trc=16, color_primaries=9,
    )  # fmt: skip
    assert "HDR (PQ): converted to 8-bit SDR" in opened(path).notes[0]
    code = np.full((1, 1, 3), round(FULL * (120 - 16) / 219), np.uint16)
    assert np.abs(frames_of(path)[0][9, 9].astype(int) - to_sdr(code, "pq")[0, 0]).max() <= 2


def test_interlace_and_pixel_shape_are_said(tmp_path: Path) -> None:
    woven = write_video(tmp_path / "a.mp4", options={"x264-params": "tff=1"})
    assert any("interlaced: both fields" in note and "bwdif" in note for note in opened(woven).notes)
    wide = write_video(tmp_path / "b.mp4", sample_aspect_ratio=Fraction(16, 15))
    assert any("pixels are not square (16:15)" in note for note in opened(wide).notes)


def _truncated(path: Path, source: Path, share: float = 0.5) -> Path:
    path.write_bytes(source.read_bytes()[: int(source.stat().st_size * share)])
    return path


def test_what_is_broken_is_refused_with_its_name(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (20, *SIZE, 3), np.uint8))
    whole = write_video(tmp_path / "fast.mp4", noise, container={"movflags": "faststart"})
    webm = write_video(tmp_path / "a.webm", noise, codec="libvpx")
    avi = write_video(tmp_path / "a.avi", noise, codec="mjpeg", pixels="yuvj420p")
    hurt = bytearray(whole.read_bytes())
    hurt[len(hurt) // 2 : len(hurt) // 2 + 20000] = bytes(20000)
    (tmp_path / "hurt.mp4").write_bytes(hurt)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    cases = {
        _truncated(tmp_path / "cut.mp4", whole): "truncated",
        _truncated(tmp_path / "late.mp4", write_video(tmp_path / "plain.mp4", noise)): "not a readable video",
        _truncated(tmp_path / "cut.webm", webm): "truncated",
        _truncated(tmp_path / "cut.avi", avi): "truncated|not a readable video",
        tmp_path / "hurt.mp4": "damaged",
        tmp_path / "empty.mp4": "empty file",
        tmp_path / "text.mp4": "not a readable video",
        tmp_path / "none.mp4": "no such video",
        _audio(tmp_path / "song.mp4"): r"holds no video \(only audio\)",
    }
    for path, words in cases.items():
        with pytest.raises(DataError, match=f"{path.name}: .*(?:{words})"):
            opened(path).video(path.stem)


def _audio(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="flt", layout="mono")
        sound.sample_rate = 44100
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))
    return path


def test_without_pyav_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match="pip install av"):
        opened(path).video("a")


def test_the_fingerprint_covers_bytes_masks_frames_and_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_video(tmp_path / folder / "a.mp4")
        write_mask(tmp_path / folder / "m.png", np.eye(*SIZE, dtype=np.uint8))

    def digest(folder: str, mask: str = "m.png", frame: str = "") -> str:
        place = tmp_path / folder
        return open_dataset(str(place / "a.mp4"), masks=[f"{frame}{place / mask}"]).fingerprint("a")

    (tmp_path / "two" / "a.mp4").write_bytes((tmp_path / "one" / "a.mp4").read_bytes())
    first = digest("one")
    assert first == digest("two"), "not where it lies"
    assert first != digest("one", frame="2=")
    write_mask(tmp_path / "two" / "m.png", 2 * np.eye(*SIZE, dtype=np.uint8))
    assert first != digest("two")
    write_video(tmp_path / "one" / "a.mp4", pictures(9))
    assert first != digest("one")
    again = digest("one")
    monkeypatch.setattr(clips_dataset, "decoder_version", lambda: "av 0")
    assert again != digest("one")


def test_a_folder_of_files(tmp_path: Path) -> None:
    for name in ("s10", "s9", "bare"):
        write_video(tmp_path / f"{name}.mp4", pictures(3))
    mask = np.eye(*SIZE, dtype=np.uint8)
    write_mask(tmp_path / "s10.png", mask)
    (tmp_path / "s9").mkdir()
    for t in range(3):
        write_mask(tmp_path / "s9" / f"{t}.png", mask)
    data = open_dataset(str(tmp_path))
    assert list(data.videos) == ["s9", "s10"] and data.name == "video"
    assert data.notes[0].endswith("no masks of 'bare', so that these are left out.")
    truth = data.truth("s9")
    assert truth is not None and truth.first_frames == {1: 0} and data.truth("s10") is None
    assert list(open_dataset(str(tmp_path), videos=["s1*"]).videos) == ["s10"]
    assert list(data.with_videos(["s10"]).videos) == ["s10"] and list(data.with_videos(None).videos) == ["s9", "s10"]
    with pytest.raises(UsageError, match=r"unknown video of .* 's11'\. Did you mean 's10'"):
        open_dataset(str(tmp_path), videos=["s11"]).videos  # noqa: B018
    with pytest.raises(UsageError, match="is one video's, and there are several"):
        open_dataset(str(tmp_path), masks=[str(tmp_path / "s10.png")]).videos  # noqa: B018
    write_video(tmp_path / "s9.webm", codec="libvpx")
    with pytest.raises(DataError, match=r"s9\.webm: the video 's9' is there twice"):
        open_dataset(str(tmp_path))


def test_a_path_says_what_kind_it_is(tmp_path: Path) -> None:
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / "own" / kind / "a").mkdir(parents=True)
        write_mask(tmp_path / "own" / kind / "a" / "00000.png", np.eye(*SIZE, dtype=np.uint8))
    assert open_dataset(str(tmp_path / "own")).name == "folder"
    (tmp_path / "loose").mkdir()
    write_mask(tmp_path / "loose" / "00000.png", np.eye(*SIZE, dtype=np.uint8))
    for place, words in (("loose", "holds pictures"), ("own/JPEGImages/a", "holds pictures")):
        with pytest.raises(DataError, match=words):
            open_dataset(str(tmp_path / place))
    with pytest.raises(UsageError, match="--mask gives first masks of a video file"):
        open_dataset("demo", masks=["x.png"])
    with pytest.raises(RvosError, match="needs a file or a folder"):
        open_dataset("video")
