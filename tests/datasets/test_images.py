"""Frames and masks are read exactly, and damage is an error that names the file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from dataset_files import picture, write_bomb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from robust_vos_bench.datasets.images import (
    encode_frame,
    encode_mask,
    image_size,
    read_frame,
    read_mask,
    write_frame,
    write_mask,
)
from robust_vos_bench.datasets.palette import palette
from robust_vos_bench.errors import DataError
from robust_vos_bench.system import atomic


def test_frames_are_rgb_whatever_the_file(tmp_path: Path) -> None:
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 0] = 204
    Image.fromarray(red).save(tmp_path / "rgb.png")
    Image.fromarray(red).convert("RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(red).convert("P").save(tmp_path / "palette.png")
    for name in ("rgb.png", "rgba.png", "palette.png"):
        assert np.array_equal(read_frame(tmp_path / name), red), name
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).save(tmp_path / "grey.jpg", quality=100)
    assert np.array_equal(read_frame(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, 2))
    jpeg = read_frame(tmp_path / "grey.jpg")
    assert jpeg.shape == (6, 8, 3) and np.abs(jpeg.astype(int) - grey[..., None]).max() <= 2


def test_rotation_tags_do_not_turn_frames(tmp_path: Path) -> None:
    image = Image.fromarray(picture(1, (20, 30)))
    tags = Image.Exif()
    tags[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=tags)
    assert read_frame(tmp_path / "a.jpg").shape == (20, 30, 3)
    assert image_size(tmp_path / "a.jpg") == (20, 30)


def test_same_pixels_as_opencv_on_real_jpegs(davis_root: Path) -> None:
    import cv2

    path = davis_root / "JPEGImages" / "480p" / "dog" / "00007.jpg"
    assert np.array_equal(read_frame(path), cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncated_frames_are_refused_by_name(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"00003{suffix}"
    write_frame(path, picture(3, (120, 160)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match=r"00003\.(jpg|png)"):
        read_frame(path)


def test_every_flipped_byte_of_a_png_is_noticed(tmp_path: Path) -> None:
    data = encode_mask(np.eye(12, dtype=np.uint8))
    path = tmp_path / "mask.png"
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :])
        with pytest.raises(DataError, match=r"mask\.png"):
            read_mask(path)


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    for name, words in (("none.jpg", "no such file"), ("empty.jpg", "empty file"), ("text.jpg", "damaged")):
        with pytest.raises(DataError, match=f"{name}.*{words}"):
            read_frame(tmp_path / name)
        with pytest.raises(DataError, match=name):
            image_size(tmp_path / name)


def test_a_picture_too_large_to_decode_is_damage(tmp_path: Path) -> None:
    write_bomb(tmp_path / "huge.png")
    for read in (image_size, read_frame, read_mask):
        with pytest.raises(DataError, match=r"huge\.png: .*image \(Image size \(900000000 pixels\)"):
            read(tmp_path / "huge.png")


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_masks_give_the_stored_ids(tmp_path: Path, mode: str) -> None:
    ids = np.array([[0, 1, 1], [0, 0, 1]], np.uint8) if mode == "1" else np.array([[0, 3, 254], [255, 7, 7]], np.uint8)
    image = Image.fromarray(ids.astype(bool)) if mode == "1" else Image.fromarray(ids)
    if mode == "P":
        image.putpalette(palette())
    image.save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png"), ids)


def test_colour_masks_are_refused_and_the_reason_is_said(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 2]], np.uint8))
    image.putpalette(palette())
    image.convert("RGB").save(tmp_path / "lost.png")
    with pytest.raises(DataError, match=r"lost\.png.*DAVIS palette \(ids 0, 1, 2\)"):
        read_mask(tmp_path / "lost.png")
    Image.fromarray(picture(0)).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match=r"photo\.png.*colour \(RGB\) image, not a mask"):
        read_mask(tmp_path / "photo.png")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png.*not a mask"):
        read_mask(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png.*8 bits"):
        read_frame(tmp_path / "deep.png")


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_of_16_bits_is_refused(tmp_path: Path, channels: int) -> None:
    import cv2

    deep = np.random.default_rng(0).integers(0, 65536, (6, 8, channels), dtype=np.uint16)
    assert cv2.imwrite(str(tmp_path / "deep.png"), deep)
    with pytest.raises(DataError, match=r"deep\.png: a frame of more than 8 bits.*16-bit RGB"):
        read_frame(tmp_path / "deep.png")


def test_another_size_names_the_file(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(DataError, match=r"m\.png: a mask of 6 x 4 pixels.*8 x 4"):
        read_mask(tmp_path / "m.png", (4, 8))


@settings(max_examples=30, deadline=None)
@given(mask=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_mask_survives_writing(mask: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("m") / "m.png"
    write_mask(path, mask)
    assert np.array_equal(read_mask(path), mask)
    with Image.open(path) as image:
        assert image.mode == "P"


def test_png_frames_are_lossless_and_jpeg_frames_close(tmp_path: Path) -> None:
    frame = picture(5, (37, 51))
    write_frame(tmp_path / "a.png", frame)
    write_frame(tmp_path / "a.jpg", frame)
    assert np.array_equal(read_frame(tmp_path / "a.png"), frame)
    difference = np.abs(read_frame(tmp_path / "a.jpg").astype(int) - frame)
    assert 0 < difference.max() <= 8
    with pytest.raises(DataError, match=r"\.bmp"):
        encode_frame(frame, ".bmp")


def test_wrong_arrays_are_refused() -> None:
    for bad in (np.zeros((4, 4), np.int64), np.zeros((4, 4, 3), np.uint8)):
        with pytest.raises(DataError, match="mask must be"):
            encode_mask(bad)
    with pytest.raises(DataError, match="frame must be"):
        encode_frame(np.zeros((4, 4), np.uint8))


def test_known_colours_of_the_palette() -> None:
    # The DAVIS palette as every official tool writes it: 1 dark red, 2 green, 3 olive, 255 (224, 224, 192).
    table = palette()
    colours = {i: tuple(table[3 * i : 3 * i + 3]) for i in (0, 1, 2, 3, 9, 255)}
    assert colours == {
        0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 9: (192, 0, 0), 255: (224, 224, 192)
    }  # fmt: skip


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_mask(path, np.ones((4, 4), np.uint8))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(DataError, match=r"a\.png.*disk is full"):
        write_mask(path, np.zeros((4, 4), np.uint8))
    assert read_mask(path).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_writing_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="does not exist"):
        write_mask(tmp_path / "nowhere" / "m.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(DataError, match="is a file"):
        atomic.make_folder(tmp_path / "file" / "sub")
