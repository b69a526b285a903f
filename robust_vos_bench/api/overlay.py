"""`robust_vos_bench.overlay`: films of masks on their frames."""

from __future__ import annotations

from pathlib import Path

from robust_vos_bench.analysis.run import load_run
from robust_vos_bench.api.settings import Names, names
from robust_vos_bench.datasets.films import FILMS, check_film_name
from robust_vos_bench.datasets.overlay import object_colours
from robust_vos_bench.datasets.shown import ShownFiles
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.reports.overlays import Style, draw_film, open_clip, pairs, run_films
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.system.paths import user_path


def overlay(
    frames: str | Path,
    masks: str | Path | None = None,
    *,
    output: str | Path | None = None,
    videos: Names | None = None,
    condition: Names | None = None,
    model: Names | None = None,
    alpha: float = 0.45,
    contours: bool = True,
    labels: bool = True,
    palette: str = "okabe-ito",
    title: str | None = None,
    fps: float | None = None,
    data_root: str | Path | None = None,
    dataset: str | None = None,
    progress: bool = True,
) -> ShownFiles:
    """Draw masks on frames and write films: `rvos-bench overlay`, with the same words.

    Parameters
    ----------
    frames
        A video file, a folder of frames, a folder of such folders (JPEGImages), or a run directory.
    masks
        A folder of masks (PNG: palette, grey, black and white), or of folders of masks named as the videos. They go
        with frames by name, by number, or in order where there are as many. Not given for a run, which has its own.
    output
        The film: .mp4, .gif, .webp or .apng; a folder where there are several. Of a run: by default
        `masks/<model>/<condition>/<video>.mp4` in it.
    videos, condition, model
        Only these, where there are several; names or patterns ("fog*").
    alpha, contours, labels
        Share of colour in an object's pixels, 0 to 1; outlines in full colour; numbers on objects.
    palette
        "okabe-ito", which colour-blind people can tell apart, or "davis", the colours of the mask files.
    title
        Text in the upper left corner; by default condition and model, for a run.
    fps
        Frames per second of the film; by default the video's, 24 for frames in a folder.
    data_root
        Of a run: where its data lies, if it has moved.
    dataset
        Of a run: how its data is opened, where that is a class in a file ("my_data.py:MyData").
    progress
        Show a bar on stderr.

    Returns
    -------
    list of Path
        The films; a notebook shows them.

    Raises
    ------
    UsageError, DataError
        An ending that is no film's; masks that do not fit the frames; a run without masks.
    MissingExtraError
        An .mp4 without PyAV.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model="static", corruption="fog-3", limit=2, save_masks=True, output="kept", progress=False)
    >>> films = rvos.overlay("kept", condition="clean", output="films")
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"alpha is {alpha:g}; it is a share of colour, 0 to 1")
    if fps is not None and not 0 < fps <= 240:
        raise UsageError(f"fps is {fps:g}; films have more than 0 and at most 240")
    colours = object_colours(palette)
    source, target = user_path(frames), None if output is None else user_path(output)
    style = Style(alpha, contours, labels, colours, title or "")
    if (source / "run.json").is_file():
        if masks is not None:
            raise UsageError(f"{source} is a run directory, which has masks of its own; leave MASKS out")
        chosen = names(videos), names(condition), names(model)
        return _of_run(source, target, style, title, *chosen, fps, data_root, dataset, progress)
    if masks is None:
        raise UsageError(
            f"{source} is no run directory, so a folder of masks is needed: overlay FRAMES MASKS -o OUT.mp4"
        )
    if condition or model:
        raise UsageError("conditions and models are chosen of a run directory; these are frames and masks")
    return _of_folders(source, user_path(masks), target, style, names(videos), fps, progress)


def _of_folders(
    source: Path,
    masks: Path,
    target: Path | None,
    style: Style,
    videos: tuple[str, ...],
    fps: float | None,
    progress: bool,
) -> ShownFiles:
    if target is None:
        raise UsageError(f"where to? Give --output FILE ({', '.join(FILMS)}), or a folder for several videos")
    if not masks.is_dir():
        raise DataError(f"{masks}: no such folder of masks")
    nested = source.is_dir() and not any(path.is_file() and path.suffix == ".png" for path in masks.iterdir())
    if not nested:
        if videos:
            raise UsageError(f"--videos chooses among folders of masks, and {masks} holds masks of one video")
        check_film_name(target)
        with Bar(f"film {target.name}", None, quiet=not progress):
            return ShownFiles([draw_film(open_clip(source), masks, target, style, fps)])
    found = pairs(source, masks, videos)
    if target.suffix and len(found) > 1:
        raise UsageError(f"{target}: there are {len(found)} videos; give a folder, or choose one with --videos")
    made = ShownFiles()
    with Bar("films", len(found), quiet=not progress) as bar:
        for name, (frames, own) in found.items():
            path = target if target.suffix else target / f"{name}.mp4"
            made.append(draw_film(open_clip(frames), own, path, style, fps))
            bar.step(name)
    return made


def _of_run(
    folder: Path,
    target: Path | None,
    style: Style,
    title: str | None,
    videos: tuple[str, ...],
    conditions: tuple[str, ...],
    models: tuple[str, ...],
    fps: float | None,
    data_root: str | Path | None,
    dataset: str | None,
    progress: bool,
) -> ShownFiles:
    if target is not None and target.suffix.lower() in FILMS:
        raise UsageError(f"{target}: a run has a film for each condition and model; give a folder")
    root = None if data_root is None else user_path(data_root)

    def drawn(model: str, label: str) -> Style:
        words = f"{label} · {model}" if title is None else title
        return Style(style.alpha, style.contours, style.labels, style.colours, words)

    made = ShownFiles()
    with Bar("films", None, quiet=not progress) as bar:
        for path in run_films(load_run(folder), target, drawn, videos, conditions, models, root, dataset, fps=fps):
            made.append(path)
            bar.say(str(path))
    return made
