"""Films of masks on their frames: of a folder of masks, or of what a run has saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.reopen import dataset_of
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.conditions import corrupt_video
from robust_vos_bench.datasets.clips.facts import clip_facts
from robust_vos_bench.datasets.clips.frames import ClipFrames
from robust_vos_bench.datasets.clips.painted import read_painted
from robust_vos_bench.datasets.files import FrameFiles, list_frames, list_masks, video_folders
from robust_vos_bench.datasets.films import check_film_name, write_film
from robust_vos_bench.datasets.images import image_size
from robust_vos_bench.datasets.names import matching
from robust_vos_bench.datasets.overlay import draw_overlay
from robust_vos_bench.datasets.video import Frame, FrameSource
from robust_vos_bench.errors import DataError
from robust_vos_bench.reports.strips import condition_of


@dataclass(frozen=True)
class Style:
    """How masks are drawn; see `datasets.overlay.draw_overlay`."""

    alpha: float = 0.45
    contours: bool = True
    labels: bool = True
    colours: NDArray[np.uint8] | None = None
    title: str = ""


@dataclass(frozen=True)
class Clip:
    """Frames to draw on."""

    frames: FrameSource
    names: tuple[str, ...]
    size: tuple[int, int]
    fps: float


def open_clip(path: Path) -> Clip:
    """A video file, or a folder of frames. Raises DataError."""
    if path.is_dir():
        files = list_frames(path)
        size = image_size(files[0])
        return Clip(FrameFiles(files, size), tuple(file.stem for file in files), size, 24.0)
    facts = clip_facts(path)
    return Clip(ClipFrames(path, facts), tuple(f"{t:05d}" for t in range(facts.frames)), facts.size, facts.fps)


def pairs(frames: Path, masks: Path, videos: Sequence[str] = ()) -> dict[str, tuple[Path, Path]]:
    """Video -> (frames, masks) of two folders of video folders; videos: only these (or patterns).

    Raises DataError where no video is in both, UsageError for an unknown video.
    """
    known = video_folders(masks)[0]
    both = {name: (frames / name, masks / name) for name in video_folders(frames)[0] if name in known}
    if not both:
        raise DataError(f"{masks}: no masks (.png) in it, nor a folder of masks for any video of {frames}")
    chosen = matching("video", videos, tuple(both)) if videos else tuple(both)
    return {name: both[name] for name in chosen}


def draw_film(clip: Clip, masks: Path, output: Path, style: Style, fps: float | None = None) -> Path:
    """Write one film. Masks go with frames by name, by number, or, where there are as many, in order.

    Frames without a mask are shown as they are. Raises DataError, naming the file, for a mask of another size or
    without a frame, and for one that cannot be read as object ids.
    """
    check_film_name(output)
    paths = _matched(clip.names, list_masks(masks), masks)
    return write_film(output, _drawn(clip.frames, paths, clip.size, style), fps or clip.fps)


def run_films(
    run: Run,
    output: Path | None,
    style: Callable[[str, str], Style],
    videos: Sequence[str] = (),
    conditions: Sequence[str] = (),
    models: Sequence[str] = (),
    data_root: Path | None = None,
    dataset: str | None = None,
    suffix: str = ".mp4",
    fps: float | None = None,
) -> Iterator[Path]:
    """A film for every unit of a run whose masks are kept: beside the masks, or `output`/<model>/<condition>/<video>.

    style: called with model and condition. videos, conditions, models: only these (names or patterns). Raises DataError
    where the run has no masks of what is asked for.
    """
    chosen_videos = matching("video of the run", videos or run.manifest.videos, tuple(run.manifest.videos))
    chosen_conditions = matching("condition of the run", conditions or run.conditions, tuple(run.conditions))
    chosen_models = matching("model of the run", models or run.models, tuple(run.models))
    data = dataset_of(run.manifest, data_root, dataset=dataset)
    made = 0
    for video in chosen_videos:
        for model in chosen_models:
            for label in chosen_conditions:
                masks = run.store.masks_path(label, model, video)
                if not masks.is_dir():
                    continue
                source = corrupt_video(data.video(video), condition_of(run, label))
                clip = Clip(source.frames, source.frame_names, source.size, source.fps)
                path = run.store.film_path(label, model, video)
                if output is not None:
                    path = output / path.relative_to(run.folder / "masks")
                made += 1
                yield draw_film(clip, masks, path.with_suffix(suffix), style(model, label), fps)
    if not made:
        raise DataError(
            f"{run.folder}: no masks of these were kept; run its command again with --save-masks, which makes them"
        )


def _matched(names: Sequence[str], masks: Mapping[str, Path], folder: Path) -> dict[int, Path]:
    """Frame index -> mask."""
    if not masks:
        raise DataError(f"{folder}: no masks (.png) in it")
    place = {name: t for t, name in enumerate(names)}
    if all(stem in place for stem in masks):
        return {place[stem]: path for stem, path in masks.items()}
    strays = [path for stem, path in masks.items() if stem not in place]
    if all(stem.isdecimal() for stem in [*masks, *names]):
        numbers = {int(name): t for t, name in enumerate(names)}
        strays = [path for stem, path in masks.items() if int(stem) not in numbers]
        if not strays:
            return {numbers[int(stem)]: path for stem, path in masks.items()}
    if len(masks) == len(names):
        return dict(enumerate(masks.values()))
    raise DataError(
        f"{strays[0]}: there is no frame of this name, and {len(masks)} masks cannot be matched to {len(names)} frames "
        f"in order; frames are {names[0]} ... {names[-1]}"
    )


def _drawn(frames: FrameSource, masks: Mapping[int, Path], size: tuple[int, int], style: Style) -> Iterator[Frame]:
    empty = np.zeros(size, np.uint8)
    for t, frame in enumerate(frames):
        mask = read_painted(masks[t], size)[0] if t in masks else empty
        yield draw_overlay(
            frame,
            mask,
            alpha=style.alpha,
            contours=style.contours,
            labels=style.labels,
            colours=style.colours,
            title=style.title,
        )
