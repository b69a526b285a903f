"""Contact sheets and preview films."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robust_vos_bench.api.corrupt import draw_preview
from robust_vos_bench.conditions import CLEAN, Condition, corrupt_video, corruptions, select
from robust_vos_bench.corrupted.preview import contact_sheet, film_frames, save_film, save_sheet
from robust_vos_bench.corrupted.sheet import GAP, LABELS, LINE, arrange
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.video import Frame, Video
from robust_vos_bench.errors import UsageError


@pytest.fixture
def video(photo: np.ndarray) -> Video:
    """Five frames of 60 x 90 with one object."""
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 30:60] = 2
    return Video.from_arrays([np.ascontiguousarray(photo[100 + t : 160 + t, 200:290]) for t in range(5)], mask)


def clean_tile(sheet: Image.Image | Frame) -> np.ndarray:
    """The clean picture of a sheet with columns of severities and tiles of 60 x 90."""
    return np.asarray(sheet)[GAP : GAP + 60, LABELS + GAP : LABELS + GAP + 90]


def tile(sheet: Image.Image | Frame, row: int, column: int) -> np.ndarray:
    """The picture of a corruption and a severity, both counted from 0."""
    top = GAP + 60 + GAP + LINE + GAP // 2 + row * (60 + GAP)
    left = LABELS + GAP + column * (90 + GAP)
    return np.asarray(sheet)[top : top + 60, left : left + 90]


def test_sheet_has_a_row_per_corruption_and_a_column_per_severity(video: Video, tmp_path: Path) -> None:
    conditions = [CLEAN, *(Condition(n, s) for n, s in (("contrast", 1), ("contrast", 5), ("gaussian_blur", 5)))]
    sheet = contact_sheet(video, conditions, tile_width=90)
    clean = video.frames[2]  # type: ignore[index]
    assert (clean_tile(sheet) == clean).all()
    assert tile(sheet, 0, 1).std() < tile(sheet, 0, 0).std() < clean.std()
    assert (tile(sheet, 1, 0) == 24).all(), "gaussian_blur has severity 5 only, and stands in its column"
    blurred = list(corrupt_video(video, Condition("gaussian_blur", 5)).frames)[2]
    assert (tile(sheet, 1, 1) == blurred).all()
    shown = [(t.condition.corruption, t.condition.severity) for t in arrange(conditions[1:], video, 90).tiles]
    assert shown == [("", 0), ("contrast", 1), ("contrast", 5), ("gaussian_blur", 5)], "the clean picture once"
    path = save_sheet(tmp_path / "new" / "sheet.png", sheet)
    assert Image.open(path).size == sheet.size


def test_one_severity_each_stands_side_by_side(video: Video) -> None:
    layout = arrange(
        [Condition(name, 3) for name in ("contrast", "gaussian_blur", "brightness", "pixelate")], video, 90
    )
    assert [t.title for t in layout.tiles][:2] == ["clean", "contrast, severity 3"]
    assert layout.size[0] < 5 * 100 and layout.size[1] < 300 and not layout.rows
    assert len({t.left for t in layout.tiles}) == 4 and len({t.top for t in layout.tiles}) == 2


def test_titles_are_words(video: Video) -> None:
    layout = arrange(
        [Condition("gaussian_blur", 1), Condition("fog", 3, "drift"), Condition("fog", 5, "drift")], video, 90
    )
    assert [row.title for row in layout.rows] == ["clean", "gaussian blur", "fog"]
    assert layout.rows[2].details[0] == "drifts over time"
    assert [text for _, _, text in layout.headings] == ["severity 1", "severity 3", "severity 5"]


def test_a_clip_shows_the_frame_that_changes_most(video: Video) -> None:
    sheet = contact_sheet(video, [Condition("frozen_frames", 1), Condition("frozen_frames", 5)], tile_width=90)
    frozen = list(corrupt_video(video, Condition("frozen_frames", 5)).frames)
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(frozen, video.frames)]
    t = int(np.argmax(changes))
    assert changes[t] > 0 and (clean_tile(sheet) == list(video.frames)[t]).all()
    assert (tile(sheet, 0, 1) == frozen[t]).all()


def test_a_varying_severity_shows_a_frame_that_is_hit(photo: np.ndarray) -> None:
    clip = Video.from_arrays([np.ascontiguousarray(photo[100:160, 200:290])] * 40, np.ones((60, 90), np.uint8))
    bursts = [Condition("contrast", s, profile="burst") for s in (3, 5)]
    sheet = contact_sheet(clip, bursts, tile_width=90)
    assert (tile(sheet, 0, 0) != clean_tile(sheet)).any() or (tile(sheet, 0, 1) != clean_tile(sheet)).any()


def test_frame_can_be_chosen(video: Video) -> None:
    both = [Condition("contrast", 1), Condition("contrast", 2)]
    assert (clean_tile(contact_sheet(video, both, frame=4, tile_width=90)) == video.frames[4]).all()  # type: ignore[index]
    with pytest.raises(UsageError, match=r"frames 0\.\.4"):
        contact_sheet(video, both, frame=5)
    with pytest.raises(UsageError, match="no corruption is selected"):
        contact_sheet(video, [CLEAN])


def test_damaged_prompts_are_painted(video: Video) -> None:
    both = [Condition("prompt_dilation", 1), Condition("prompt_dilation", 5)]
    sheet = contact_sheet(video, both, tile_width=90)
    first = video.frames[0]  # type: ignore[index]
    changed = [(shown != first).any(2).sum() for shown in (clean_tile(sheet), tile(sheet, 0, 0), tile(sheet, 0, 1))]
    assert 500 < changed[0] < changed[1] < changed[2]


def test_a_film_shows_what_the_sheet_shows(video: Video, tmp_path: Path) -> None:
    conditions = [Condition("contrast", 1), Condition("contrast", 5), Condition("frozen_frames", 5)]
    frames = list(film_frames(video, conditions, tile_width=90))
    assert len(frames) == 5 and frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    for t in (0, 3):
        assert (clean_tile(frames[t]) == list(video.frames)[t]).all()
        for row, column, condition in ((0, 1, conditions[1]), (1, 1, conditions[2])):
            assert (tile(frames[t], row, column) == list(corrupt_video(video, condition).frames)[t]).all()
    import av

    path = save_film(tmp_path / "new" / "film.mp4", video, conditions)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 72, "three seconds"
    path = save_film(tmp_path / "film.gif", video, conditions)
    assert Image.open(path).n_frames == 5  # type: ignore[attr-defined]


def test_a_film_fits_on_a_screen(video: Video) -> None:
    many = [Condition(name, s) for name in list(corruptions())[:12] for s in (1, 2, 3)]
    frame = next(film_frames(video, many, frames=1))
    assert frame.shape[0] <= 2160 and frame.shape[1] <= 1920
    with pytest.raises(UsageError, match="rows are too many for one film"):
        next(film_frames(video, [Condition(name, s) for name in corruptions() for s in (1, 2)]))


def test_the_ending_says_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_dataset("demo", videos=["cat", "herd"])
    conditions = [Condition("contrast", 3)]
    for name in ("a.png", "a.jpg", "a.gif"):
        assert draw_preview(data, conditions, tmp_path / name) == [tmp_path / name]
        assert Image.open(tmp_path / name).format == {"a.png": "PNG", "a.jpg": "JPEG", "a.gif": "GIF"}[name]
    with pytest.raises(UsageError, match=r"a\.tiff: a preview is a sheet .* a film .* or a folder"):
        draw_preview(data, conditions, tmp_path / "a.tiff")
    with pytest.raises(UsageError, match="one file is of one video, and 2 are chosen"):
        draw_preview(data, conditions, tmp_path / "b.png", every=True)
    monkeypatch.setitem(sys.modules, "av", None)
    both = draw_preview(data, conditions, tmp_path / "both", every=True)
    assert [path.name for path in both] == ["cat-sheet.png", "cat-film.gif", "herd-sheet.png", "herd-film.gif"]


def test_all_is_every_corruption() -> None:
    chosen, info = select("all", [1])
    assert {c.corruption for c in chosen} == set(corruptions()) and info.name == "custom"
