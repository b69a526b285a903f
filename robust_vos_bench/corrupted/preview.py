"""To look at: contact sheets (corruption x severity) and short clips of one video under several conditions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robust_vos_bench.conditions.apply import corrupt_video, source_frame
from robust_vos_bench.conditions.catalogue import corruption_of
from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.datasets.overlay import paint_mask
from robust_vos_bench.datasets.video import Frame, Video
from robust_vos_bench.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP = 4
_LABEL = 16
_BACKGROUND = (24, 24, 24)
_INK = (235, 235, 235)


def contact_sheet(
    video: Video, conditions: Sequence[Condition], frame: int | None = None, tile_width: int = 240
) -> Image:
    """One picture of a video: a row for each corruption (with its mode in time) with its severities in order.

    The first column is clean, every picture is labelled. frame: which frame (default the middle one; where a
    corruption works on the whole clip, the one that its highest severity changes most; for conditions that damage
    prompts, the first prompt with its mask painted on). tile_width: pixels; height follows. Returns an RGB
    `PIL.Image.Image`.
    """
    from PIL import Image

    wanted = [condition for condition in conditions if not condition.is_clean]
    if not wanted:
        raise UsageError("nothing to preview: no corruption is selected")
    rows: dict[tuple[str, str, str, int, bool | None], dict[int, Condition]] = {}
    for c in wanted:
        key = (c.corruption, c.temporal, c.profile, c.seed, c.clean_reference)
        rows.setdefault(key, {})[c.severity] = c
    columns = max(len(levels) for levels in rows.values())
    tile = _tile_size(video.size, tile_width)
    width = (tile[1] + _GAP) * (1 + columns) + _GAP
    height = (tile[0] + _LABEL + _GAP) * len(rows) + _GAP
    sheet = Image.new("RGB", (width, height), _BACKGROUND)
    for r, levels in enumerate(rows.values()):
        top = _GAP + r * (tile[0] + _LABEL + _GAP)
        scope = corruption_of(levels[max(levels)]).scope
        t = _frame_to_show(video, frame, scope, levels[max(levels)])
        _paste(sheet, _shown(video, CLEAN, t, scope), tile, top, 0, f"clean, frame {t}")
        for column, (_, c) in enumerate(sorted(levels.items()), start=1):
            _paste(sheet, _shown(video, c, t, scope), tile, top, column, c.label)
    return sheet


def save_contact_sheet(path: Path, sheet: Image) -> Path:
    """Write a contact sheet as PNG, making the folder; returns the path."""
    path = path.with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


def clip_frames(
    video: Video, conditions: Sequence[Condition], frames: int = 48, tile_width: int = 320, columns: int = 3
) -> Iterator[Frame]:
    """The first `frames` frames of a video, clean and under each condition, side by side in a grid (RGB uint8).

    Streams: holds one frame of each condition at a time. Masks are painted on where a condition damages prompts.
    """
    from PIL import Image

    shown = [CLEAN, *(condition for condition in conditions if not condition.is_clean)]
    videos = [corrupt_video(video, condition) for condition in shown]
    prompts = any(not c.is_clean and corruption_of(c).scope == "prompt" for c in shown)
    tile = _tile_size(video.size, tile_width)
    columns = min(columns, len(shown))
    width = (tile[1] + _GAP) * columns + _GAP
    height = (tile[0] + _LABEL + _GAP) * math.ceil(len(shown) / columns) + _GAP
    # Codecs want even sides.
    width, height = width + width % 2, height + height % 2
    for t, tiles in zip(range(min(frames, len(video))), zip(*(v.frames for v in videos))):
        sheet = Image.new("RGB", (width, height), _BACKGROUND)
        for i, (condition, picture) in enumerate(zip(shown, tiles)):
            if prompts and t in videos[i].prompts:
                picture = paint_mask(picture, videos[i].prompts[t])
            top = _GAP + (i // columns) * (tile[0] + _LABEL + _GAP)
            _paste(sheet, picture, tile, top, i % columns, condition.label)
        yield np.asarray(sheet)


def save_clip(path: Path, frames: Iterable[Frame], fps: float = 24.0) -> Path:
    """Write frames as a film and return the path: MP4 (H.264) where PyAV is installed, else an animated PNG.

    The suffix of `path` follows. MP4 streams; the animated PNG holds all frames in memory.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import av  # noqa: F401
    except ImportError:
        return _save_animation(path.with_suffix(".png"), frames, fps)
    return _save_film(path.with_suffix(".mp4"), frames, fps)


def _save_film(path: Path, frames: Iterable[Frame], fps: float) -> Path:
    from fractions import Fraction

    import av

    with av.open(str(path), "w") as container:
        stream = None
        for picture in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "16"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        if stream is not None:
            container.mux(stream.encode(None))
    return path


def _save_animation(path: Path, frames: Iterable[Frame], fps: float) -> Path:
    from PIL import Image

    pictures = [Image.fromarray(np.ascontiguousarray(picture)) for picture in frames]
    if not pictures:
        raise UsageError("nothing to preview: the clip has no frames")
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0)
    return path


def _tile_size(size: tuple[int, int], width: int) -> tuple[int, int]:
    return max(1, round(size[0] * width / size[1])), width


def _frame_to_show(video: Video, frame: int | None, scope: str, strongest: Condition) -> int:
    if scope == "prompt":
        return video.first_prompt
    if frame is None and scope == "clip":
        pairs = zip(video.frames, corrupt_video(video, strongest).frames)
        changes = [float(np.abs(corrupted.astype(np.int16) - clean).mean()) for clean, corrupted in pairs]
        return int(np.argmax(changes)) if max(changes) > 0 else len(video) // 2
    t = len(video) // 2 if frame is None else frame
    if not 0 <= t < len(video):
        raise UsageError(f"frame {t} is out of range: {video.name} has frames 0..{len(video) - 1}")
    return t


def _shown(video: Video, condition: Condition, t: int, scope: str) -> Frame:
    corrupted = corrupt_video(video, condition)
    picture = source_frame(corrupted.frames, t)
    return paint_mask(picture, corrupted.prompts[t]) if scope == "prompt" else picture


def _paste(sheet: Image, picture: Frame, tile: tuple[int, int], top: int, column: int, label: str) -> None:
    from PIL import Image, ImageDraw

    left = _GAP + column * (tile[1] + _GAP)
    reduced = Image.fromarray(np.ascontiguousarray(picture)).resize((tile[1], tile[0]), Image.Resampling.BOX)
    sheet.paste(reduced, (left, top + _LABEL))
    ImageDraw.Draw(sheet).text((left + 1, top + 2), label, fill=_INK)
