"""Contact sheets and preview clips."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robust_vos_bench.conditions import CLEAN, Condition, corrupt_video
from robust_vos_bench.corrupted.preview import clip_frames, contact_sheet, save_clip, save_contact_sheet
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError


@pytest.fixture
def video(photo: np.ndarray) -> Video:
    """Five frames of 60 x 90 with one object."""
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 30:60] = 2
    return Video.from_arrays([np.ascontiguousarray(photo[100 + t : 160 + t, 200:290]) for t in range(5)], mask)


def tile(sheet: Image.Image, row: int, column: int) -> np.ndarray:
    """The picture in one cell of a sheet with tiles of 60 x 90."""
    array = np.asarray(sheet)
    top, left = 4 + row * (60 + 16 + 4) + 16, 4 + column * (90 + 4)
    return array[top : top + 60, left : left + 90]


def test_sheet_has_a_row_a_corruption_with_its_severities_in_order(video: Video, tmp_path: Path) -> None:
    conditions = [CLEAN, *(Condition(n, s) for n, s in (("contrast", 1), ("contrast", 5), ("gaussian_blur", 5)))]
    sheet = contact_sheet(video, conditions, tile_width=90)
    assert sheet.size == (4 + 3 * 94, 4 + 2 * 80)
    clean = video.frames[2]  # type: ignore[index]
    assert (tile(sheet, 0, 0) == clean).all() and (tile(sheet, 1, 0) == clean).all()
    assert tile(sheet, 0, 2).std() < tile(sheet, 0, 1).std() < clean.std()
    assert (tile(sheet, 1, 1) != clean).any(), "gaussian_blur has one severity here: it comes first"
    assert (tile(sheet, 1, 2) == 24).all()
    path = save_contact_sheet(tmp_path / "new" / "sheet.png", sheet)
    assert Image.open(path).size == sheet.size


def test_a_clip_shows_the_frame_that_changes_most(video: Video) -> None:
    sheet = contact_sheet(video, [Condition("frozen_frames", 1), Condition("frozen_frames", 5)], tile_width=90)
    frozen = list(corrupt_video(video, Condition("frozen_frames", 5)).frames)
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(frozen, video.frames)]
    t = int(np.argmax(changes))
    assert changes[t] > 0 and (tile(sheet, 0, 0) == list(video.frames)[t]).all()
    assert (tile(sheet, 0, 2) == frozen[t]).all()


def test_frame_can_be_chosen(video: Video) -> None:
    sheet = contact_sheet(video, [Condition("contrast", 1)], frame=4, tile_width=90)
    assert (tile(sheet, 0, 0) == video.frames[4]).all()  # type: ignore[index]
    with pytest.raises(UsageError, match=r"frames 0\.\.4"):
        contact_sheet(video, [Condition("contrast", 1)], frame=5)
    with pytest.raises(UsageError, match="no corruption is selected"):
        contact_sheet(video, [CLEAN])


def test_damaged_prompts_are_painted(video: Video) -> None:
    sheet = contact_sheet(video, [Condition("prompt_dilation", 5)], tile_width=90)
    changed = [(tile(sheet, 0, c) != video.frames[0]).any(2).sum() for c in (0, 1)]  # type: ignore[index]
    assert 500 < changed[0] < changed[1]


@pytest.mark.parametrize("with_av", (True, False))
def test_clip_is_written_with_and_without_a_codec(
    with_av: bool, video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_av:
        pytest.importorskip("av")
    else:
        monkeypatch.setitem(sys.modules, "av", None)
    frames = list(clip_frames(video, [Condition("fog", 3, "drift"), Condition("contrast", 2)], frames=4, tile_width=90))
    assert len(frames) == 4 and frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    path = save_clip(tmp_path / "new" / "film", iter(frames), fps=12.0)
    assert path.suffix == (".mp4" if with_av else ".png")
    if with_av:
        import av

        with av.open(str(path)) as container:
            decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(decoded) == 4
        assert np.abs(decoded[1].astype(int) - frames[1]).mean() < 12
    else:
        with Image.open(path) as animation:
            assert animation.n_frames == 4
