"""`rvos-bench overlay`: masks on their frames, as a film to look at."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robust_vos_bench.cli.options import CommaList, UserPath, flat, json_option, opened_option, output_option

EPILOG = """\b
Examples:
  rvos-bench overlay clip.mp4 masks/ -o overlay.mp4
  rvos-bench overlay frames/ masks/ -o overlay.gif --alpha 0.6 --no-labels
  rvos-bench overlay ~/DAVIS/JPEGImages/480p results/ --videos dog,camel -o films/
  rvos-bench overlay rvos-results/my-run --condition 'fog*'

Masks are PNGs named as the frames, or by frame number; frames without a mask are shown as they are. The default
colours can be told apart by colour-blind people; after seven objects they repeat, and numbers tell objects apart.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("frames", type=UserPath(exists=True))
@click.argument("masks", type=UserPath(exists=True), required=False)
@output_option("The film: .mp4, .gif, .webp, .apng; a folder for several. [run: beside its masks]", envvar=None)
@click.option("--videos", multiple=True, type=CommaList(), callback=flat, help="Only these videos, of several.")
@click.option("--condition", multiple=True, type=CommaList(), callback=flat, help="Of a run: only these conditions.")
@click.option("-m", "--model", multiple=True, type=CommaList(), callback=flat, help="Of a run: only these models.")
@click.option(
    "--alpha", type=click.FloatRange(0, 1), default=0.45, show_default=True, help="Share of colour in an object."
)
@click.option("--contours/--no-contours", default=True, help="Outline objects. [default: contours]")
@click.option("--labels/--no-labels", default=True, help="Number objects. [default: labels]")
@click.option("--palette", default="okabe-ito", show_default=True, help="okabe-ito or davis (the masks' own colours).")
@click.option("--title", help="Text in the upper left corner. [run: condition and model]")
@click.option("--fps", type=float, help="Frames per second of the film. [default: the video's; frames in a folder: 24]")
@click.option("--data-root", type=UserPath(), help="Of a run: folder of the data, where it has moved.")
@opened_option("Of a run: how its data is opened")
@json_option()
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    frames: Path,
    masks: Path | None,
    output: Path | None,
    videos: tuple[str, ...],
    condition: tuple[str, ...],
    model: tuple[str, ...],
    alpha: float,
    contours: bool,
    labels: bool,
    palette: str,
    title: str | None,
    fps: float | None,
    data_root: Path | None,
    dataset: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw MASKS on FRAMES and write a film.

    FRAMES is a video file, a folder of frames, a folder of such folders, or a run directory (then without MASKS).
    """
    from robust_vos_bench.api.overlay import overlay

    made = overlay(
        frames,
        masks,
        output=output,
        videos=videos,
        condition=condition,
        model=model,
        alpha=alpha,
        contours=contours,
        labels=labels,
        palette=palette,
        title=title,
        fps=fps,
        data_root=data_root,
        dataset=dataset,
        progress=not quiet,
    )
    files = [str(path) for path in made]
    click.echo(json.dumps({"films": files}) if as_json else "\n".join(files))
