"""First masks of video files: text, painted pictures, several frames, folders with truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.video_files import SIZE, write_video
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.datasets.clips.painted import read_painted
from robust_vos_bench.datasets.clips.shapes import draw_shapes, read_shapes
from robust_vos_bench.datasets.images import write_mask
from robust_vos_bench.errors import DataError, UsageError


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video of eight frames."""
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    return write_video(tmp_path / "a.mp4")


def box(value: object, left: int, top: int, right: int, bottom: int, mode: str = "L") -> Image.Image:
    image = Image.new(mode, SIZE[::-1])
    image.paste(value, (left, top, right, bottom))  # type: ignore[arg-type]
    return image


def shape_mask(path: Path, text: str) -> np.ndarray:
    path.write_text(text)
    return draw_shapes(path, read_shapes(path)[0], SIZE)


def test_boxes_and_polygons(tmp_path: Path) -> None:
    path = tmp_path / "first.txt"
    mask = shape_mask(path, "# a comment\n\n3 box 4 5, 20 25  # edges\n7 polygon 30 0, 60 0; 60 30\n7 box 0 40 10 48\n")
    assert (mask[5:25, 4:20] == 3).all() and (mask == 3).sum() == 20 * 16
    triangle = mask[:32, 30:] == 7
    assert triangle[1, 2:29].all() and not triangle[5:, :4].any() and 420 <= triangle.sum() <= 480
    assert (mask[40:48, 0:10] == 7).all(), "two shapes of one object"
    assert (shape_mask(path, "1 box 0 0 64 48\n2 box 0 0 32 48\n")[:, :32] == 2).all(), "later lines cover earlier ones"
    assert sorted(read_shapes(path, frame=4)) == [4]
    path.write_text("1 box 0 0 9 9\nframe 6\n2 box 20 20 30 30\n")
    assert sorted(read_shapes(path)) == [0, 6]


@pytest.mark.parametrize(
    ("text", "words"),
    (
        ("1 box 1 2 3\n", "line 1: '1 box 1 2 3' is no shape"),
        ("\n1 circle 1 2 3\n", "line 2: .* is no shape; one shape per line"),
        ("1 polygon 1 2 3 4 5\n", "is no shape"),
        ("1 box 10 10 x 20\n", "is no shape"),
        ("1 box nan 0 5 5\n", "is no shape"),
        ("0 box 1 1 5 5\n", "object 0: ids are 1 to 254"),
        ("255 box 1 1 5 5\n", "object 255: ids are 1 to 254"),
        ("1 box 20 20 10 30\n", "an empty box; .*not width and height"),
        ("1 box 10 10 80 20\n", "the point 80 10 lies outside the picture, which is 64 x 48"),
        ("1 box 5 5 9 9\n2 box 0 0 20 20\n", "line 1: no pixel is left of object 1"),
        ("frame two\n1 box 0 0 5 5\n", "expected 'frame N'"),
        ("# nothing\n", "holds no shape"),
    ),
)
def test_a_wrong_line_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"first\.txt.*{words}"):
        shape_mask(tmp_path / "first.txt", text)


def test_painted_pictures(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    for image, meant, anonymous in (
        (box(255, 4, 4, 20, 20), 1, True),
        (box(1, 4, 4, 20, 20, "1"), 1, False),
        (box(9, 4, 4, 20, 20), 9, False),
        (box((255, 255, 255), 4, 4, 20, 20, "RGB"), 1, True),
        (box((0, 255, 0), 4, 4, 20, 20, "RGB"), 2, False),
        (box((255, 0, 255, 255), 4, 4, 20, 20, "RGBA"), 5, False),
        (box((0, 0, 128), 4, 4, 20, 20, "RGB"), 4, False),
    ):
        image.save(path)
        mask, found = read_painted(path, SIZE)
        assert (mask[4:20, 4:20] == meant).all() and (mask > 0).sum() == 256 and found is anonymous, (image.mode, meant)
    palette = box(3, 4, 4, 20, 20, "P")
    palette.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 255, 0, 0])
    palette.save(path)
    assert read_painted(path)[0][10, 10] == 3, "the index, whatever the colour"


def test_what_could_mean_two_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    both = box((255, 0, 0), 4, 4, 20, 20, "RGB")
    both.paste((128, 0, 0), (30, 4, 40, 20))
    white = box((255, 255, 255), 4, 4, 20, 20, "RGB")
    white.paste((255, 0, 0), (30, 4, 40, 20))
    soft = (
        box(255, 8, 8, 40, 40).resize((31, 23), Image.Resampling.BILINEAR).resize(SIZE[::-1], Image.Resampling.BICUBIC)
    )
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8))
    for image, words in (
        (both, "colours 128 0 0 and 255 0 0 both stand for object 1|colours 255 0 0 and 128 0 0"),
        (white, "the colour 255 255 255 stands for no object"),
        (box((250, 128, 3), 4, 4, 20, 20, "RGB"), "the colour 250 128 3 stands for no object: red is object 1"),
        (photo, "more stands for no object.*hard pencil"),
        (soft, "soft edges"),
        (box((255, 0, 0, 120), 4, 4, 20, 20, "RGBA"), "half transparent"),
        (Image.new("L", (10, 10)), "10 x 10"),
    ):
        image.save(path)
        with pytest.raises(DataError, match=rf"m\.png: .*(?:{words})"):
            read_painted(path, SIZE)
    box((255, 0, 0), 4, 4, 20, 20, "RGB").save(path, "JPEG")
    with pytest.raises(DataError, match="a JPEG file; masks are PNG"):
        read_painted(path, SIZE)


def with_masks(clip: Path, *words: str) -> Dataset:
    return open_dataset(str(clip), masks=words)


def test_objects_at_several_frames(clip: Path, tmp_path: Path) -> None:
    box(255, 4, 4, 20, 20).save(tmp_path / "one.png")
    box(255, 30, 4, 40, 20).save(tmp_path / "two.png")
    late = box(1, 4, 4, 20, 20)
    late.paste(5, (40, 30, 60, 40))
    late.save(tmp_path / "late.png")
    words = [str(tmp_path / "one.png"), f"0={tmp_path / 'two.png'}"]
    video = with_masks(clip, *words).video("a")
    assert video.first_frames == {1: 0, 2: 0}, "black-and-white pictures are numbered in order"
    video = with_masks(clip, f"3={tmp_path / 'late.png'}", words[0]).video("a")
    assert video.first_frames == {2: 0, 1: 3, 5: 3}, "the free id goes to the picture without one"
    (tmp_path / "first.txt").write_text("1 box 4 4 20 20\n")
    data = with_masks(clip, str(tmp_path / "first.txt"), f"3={tmp_path / 'late.png'}")
    assert data.video("a").first_frames == {1: 0, 5: 3} and set(np.unique(data.video("a").prompts[3])) == {0, 5}
    assert data.truth("a") is None and not data.has_truth("a")
    with pytest.raises(DataError, match=r"late\.png: is for frame 8, but the video has 8 frames, 0 to 7"):
        with_masks(clip, f"8={tmp_path / 'late.png'}").video("a")
    with pytest.raises(DataError, match=r"late\.png: at frame 5 it shows no new object"):
        with_masks(clip, f"3={tmp_path / 'late.png'}", f"5={tmp_path / 'late.png'}").video("a")
    with pytest.raises(DataError, match=r"none\.png: no such mask"):
        with_masks(clip, str(tmp_path / "none.png"))
    with pytest.raises(UsageError, match="one folder, or files"):
        with_masks(clip, str(tmp_path), str(tmp_path / "one.png"))
    Image.new("L", SIZE[::-1]).save(tmp_path / "empty.png")
    with pytest.raises(DataError, match=r"empty\.png: holds no object"):
        with_masks(clip, str(tmp_path / "empty.png")).video("a")


def test_a_folder_of_masks_may_hold_truth(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for t in (0, 3):
        write_mask(folder / f"{t:03d}.png", np.array(box(1 + t, 4, 4, 20, 20)))
    data = with_masks(clip, str(folder))
    assert data.video("a").first_frames == {1: 0, 4: 3} and data.truth("a") is None
    write_mask(folder / "005.png", np.array(box(4, 6, 4, 22, 20)))
    truth = with_masks(clip, str(folder)).truth("a")
    assert truth is not None and [m is None for m in truth.masks] == [False, True, True, False, True, False, True, True]
    write_mask(folder / "9.png", np.array(box(4, 6, 4, 22, 20)))
    with pytest.raises(DataError, match=r"9\.png: annotates frame 9, but the video has 8 frames"):
        with_masks(clip, str(folder)).video("a")


def test_black_and_white_masks_are_one_object_in_every_frame(clip: Path) -> None:
    folder = clip.parent / "a"
    folder.mkdir()
    for t in range(8):
        box(255, 4 + t, 4, 20 + t, 20).save(folder / f"{t:05d}.png")
    data = open_dataset(str(clip))
    truth = data.truth("a")
    assert truth is not None and truth.first_frames == {1: 0} and data.video("a").object_ids == (1,)
    mask = truth.masks[7]
    assert mask is not None and set(np.unique(mask)) == {0, 1}
    box(2, 4, 4, 20, 20).save(folder / "00004.png")
    with pytest.raises(DataError, match=r"is black and white .* masks of a video are all of one kind"):
        open_dataset(str(clip)).video("a")


def test_masks_beside_the_file(clip: Path) -> None:
    with pytest.raises(DataError, match=r"a\.mp4: no first mask, so there is nothing to segment\. Give --mask"):
        open_dataset(str(clip)).videos  # noqa: B018
    clip.with_suffix(".txt").write_text("2 box 4 4 20 20\n")
    assert open_dataset(str(clip)).video("a").object_ids == (2,)
    box(255, 4, 4, 20, 20).save(clip.with_suffix(".png"))
    with pytest.raises(DataError, match=r"a\.png and a\.txt are both there as its masks"):
        open_dataset(str(clip)).videos  # noqa: B018
