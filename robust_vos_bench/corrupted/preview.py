"""To look at: contact sheets (corruption x severity) and short films of one video under several conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robust_vos_bench.conditions.apply import corrupt_video
from robust_vos_bench.conditions.catalogue import corruption_of
from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.corrupted.sheet import Sheet, Tile, arrange
from robust_vos_bench.datasets.films import FILMS, write_film
from robust_vos_bench.datasets.overlay import paint_mask
from robust_vos_bench.datasets.video import Frame, FrameSource, IndexableFrames, Video, source_frame
from robust_vos_bench.errors import UsageError
from robust_vos_bench.system.atomic import make_folder, write_error

if TYPE_CHECKING:
    from PIL.Image import Image

SHEETS = (".png", ".jpg")
LOOKED_AT = 96
"""Frames of a video among which the one is looked for that a corruption of the whole clip changes most."""
FRAMES = 48
"""Frames of a film."""
SECONDS = 3.0
"""A shorter film is repeated until it lasts so long."""
WIDEST, HIGHEST = 1920, 2160
SMALLEST = 96


def contact_sheet(
    video: Video, conditions: Sequence[Condition], frame: int | None = None, tile_width: int = 240
) -> Image:
    """One picture of a video: a row per corruption, a column per severity, and the clean picture once.

    Conditions of one severity stand side by side instead, each under its name. frame: which frame (default: the one
    that is changed most where a corruption works on the whole clip or its severity varies in time, else the middle).
    Conditions that damage prompts show the first prompt, painted on. tile_width: pixels; height follows. Returns an RGB
    `PIL.Image.Image`. Raises UsageError where there is nothing to show, or no such frame.
    """
    wanted = _corrupted(conditions)
    sheet = arrange(wanted, video, tile_width)
    t = _frame_to_show(video, wanted, frame)
    shown = f"frame {t} of {len(video)}" if t is not None else ""
    return sheet.draw(_caption(video, shown, wanted), lambda tile: _shown(video, tile, t))


def film_frames(
    video: Video, conditions: Sequence[Condition], frames: int = FRAMES, tile_width: int | None = None
) -> Iterator[Frame]:
    """Some frames of a video, clean and under each condition, arranged as in the sheet (RGB uint8).

    The frames lie around the one that the sheet shows. One frame of each condition is held at a time. tile_width: by
    default as large as fits. Raises UsageError where the conditions are too many for one film.
    """
    wanted = _corrupted(conditions)
    sheet = _fitting(video, wanted) if tile_width is None else arrange(wanted, video, tile_width)
    middle = _frame_to_show(video, wanted, None)
    start = max(0, min((middle or 0) - frames // 2, len(video) - frames))
    stop = min(start + frames, len(video))
    shown = {condition: corrupt_video(video, condition) for condition in (CLEAN, *wanted)}
    sources = [_window(v.frames, start, stop) for v in shown.values()]
    for t, pictures in zip(range(start, stop), zip(*sources)):
        current = dict(zip(shown, pictures))

        def picture(tile: Tile, t: int = t, current: dict[Condition, Frame] = current) -> Frame:
            prompts = shown[tile.condition].prompts
            made = current[tile.condition]
            return paint_mask(made, prompts[t]) if tile.prompt and t in prompts else made

        yield np.asarray(sheet.draw(_caption(video, f"frame {t} of {len(video)}", wanted), picture))


def save_sheet(path: Path, sheet: Image) -> Path:
    """Write a contact sheet, making the folder; returns the path. Raises WriteError."""
    make_folder(path.absolute().parent)
    try:
        sheet.save(path)
    except OSError as error:
        raise write_error(path, error) from error
    return path


def save_film(path: Path, video: Video, conditions: Sequence[Condition]) -> Path:
    """Write a film, as its ending says; a short MP4 repeats until it can be looked at. Returns the path."""
    made = film_frames(video, conditions)
    if path.suffix.lower() == ".mp4":
        made = _repeated(made, video.fps)
    return write_film(path, made, video.fps)


def check_preview_name(path: Path) -> None:
    """Raise UsageError for a name that is neither a sheet's nor a film's nor a folder's."""
    suffix = path.suffix.lower()
    if suffix and suffix not in (*SHEETS, *FILMS) and not path.is_dir():
        raise UsageError(
            f"{path}: a preview is a sheet ({', '.join(SHEETS)}), a film ({', '.join(FILMS)}), or a folder of both (a "
            "name without an ending)"
        )


def _corrupted(conditions: Sequence[Condition]) -> list[Condition]:
    wanted = list(dict.fromkeys(condition for condition in conditions if not condition.is_clean))
    if not wanted:
        raise UsageError("nothing to preview: no corruption is selected")
    return wanted


def _fitting(video: Video, wanted: Sequence[Condition]) -> Sheet:
    width = 320
    while True:
        sheet = arrange(wanted, video, width)
        over = max(sheet.size[0] / WIDEST, sheet.size[1] / HIGHEST)
        if over <= 1:
            return sheet
        if width <= SMALLEST:
            raise UsageError(
                f"{len(sheet.rows)} rows are too many for one film; choose fewer corruptions, or write a sheet "
                "(--output FILE.png)"
            )
        width = max(SMALLEST, min(width - 8, int(width / over)))


def _caption(video: Video, shown: str, wanted: Sequence[Condition]) -> list[str]:
    height, width = video.size
    words = [
        f"{video.name}" + (f" · {video.dataset}" if video.dataset else ""),
        f"{width} x {height}, {shown}".strip(", "),
    ]
    profiles = sorted({c.profile for c in wanted} - {"constant"})
    return [*words, *([f"severity over time: {', '.join(profiles)}"] if profiles else [])]


def _frame_to_show(video: Video, wanted: Sequence[Condition], frame: int | None) -> int | None:
    """The frame of all pictures but painted prompts; None where there are only those."""
    pictures = [c for c in wanted if corruption_of(c).scope != "prompt"]
    if frame is not None:
        if not 0 <= frame < len(video):
            raise UsageError(f"frame {frame} is out of range: {video.name} has frames 0..{len(video) - 1}")
        return frame
    if not pictures:
        return None
    clips = [c for c in _strongest(pictures) if corruption_of(c).scope == "clip"]
    if clips:
        return most_changed(video, clips)
    varying = [c for c in pictures if c.profile != "constant"]
    middle = len(video) // 2
    if not varying:
        return middle
    levels = sum(np.asarray(_severities(video, c), float) for c in varying)
    best = np.flatnonzero(levels == np.max(levels))
    return int(best[np.argmin(np.abs(best - middle))])


def _severities(video: Video, condition: Condition) -> Sequence[float]:
    frames = corrupt_video(video, condition).frames
    return getattr(frames, "severities", [float(condition.severity)] * len(video))


def _strongest(conditions: Sequence[Condition]) -> list[Condition]:
    """Of each corruption its highest severity."""
    best: dict[str, Condition] = {}
    for c in conditions:
        if c.corruption not in best or c.severity > best[c.corruption].severity:
            best[c.corruption] = c
    return list(best.values())


def most_changed(video: Video, conditions: Sequence[Condition]) -> int:
    """The frame that the conditions together change most, each by its own measure."""
    total = np.zeros(min(len(video), LOOKED_AT))
    for condition in conditions:
        pairs = zip(video.frames, islice(corrupt_video(video, condition).frames, len(total)))
        changes = np.array([np.abs(bad.astype(np.int16) - clean).mean() for clean, bad in pairs])
        if changes.max() > 0:
            total += changes / changes.max()
    return int(total.argmax()) if total.max() > 0 else len(video) // 2


def _shown(video: Video, tile: Tile, t: int | None) -> Frame:
    corrupted = corrupt_video(video, tile.condition)
    if tile.prompt:
        t = video.first_prompt
        return paint_mask(source_frame(corrupted.frames, t), corrupted.prompts[t])
    return source_frame(corrupted.frames, t or 0)


def _window(frames: FrameSource, start: int, stop: int) -> Iterator[Frame]:
    if isinstance(frames, IndexableFrames):
        return (frames[t] for t in range(start, stop))
    return islice(frames, start, stop)


def _repeated(frames: Iterator[Frame], fps: float) -> Iterator[Frame]:
    kept: list[Frame] = []
    most = math.ceil(SECONDS * fps)
    for frame in frames:
        if len(kept) < most:
            kept.append(frame)
        yield frame
    if kept and len(kept) < most:
        for _ in range(math.ceil(most / len(kept)) - 1):
            yield from kept
