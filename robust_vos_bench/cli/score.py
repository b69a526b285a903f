"""`rvos-bench score`: J and F of a folder of masks."""

from __future__ import annotations

from pathlib import Path

import click

from robust_vos_bench.cli.options import UserPath, dataset_options, json_option, output_option

EPILOG = """\b
Examples:
  rvos-bench score --dataset davis2017:val --data-root ~/DAVIS --predictions results/
  rvos-bench score --dataset davis2016:val --data-root ~/DAVIS --predictions results/ --json
  rvos-bench score --dataset folder --data-root ~/MOSE --predictions results/ --range-end video

Masks lie as results/<video>/<frame>.png, palette or grey, object ids as in the annotations. The first and the last
frame of a DAVIS video need not be there. Annotations are needed, frames are not.
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@dataset_options
@click.option(
    "--predictions",
    type=UserPath(),
    required=True,
    envvar="RVOS_BENCH_PREDICTIONS",
    help="Folder of masks, <video>/<frame>.png.",
)
@click.option("--protocol", help="davis, ranges, sav, lvos, vost, mosev2 or burst. [default: as the data set says]")
@click.option("--first-frame", is_flag=True, help="ranges: also score the frame in which an object is given.")
@click.option("--no-last-frame", is_flag=True, help="ranges: leave out the last annotated frame of an object.")
@click.option(
    "--range-end",
    help="ranges: score up to the last frame that shows the 'object' (the default) or to the last of the 'video'.",
)
@click.option(
    "--wrap-decay",
    is_flag=True,
    help="Decay as the official script computes it beyond 256 frames (it wraps at 8 bits).",
)
@click.option(
    "--official-csv",
    type=UserPath(file_okay=False),
    help="Write the official script's two CSV files here.",
)
@click.option("-w", "--workers", type=click.IntRange(min=1), help="Videos scored at once. [default: cores, at most 4]")
@click.option("--backend", default="auto", show_default=True, help="auto, numpy or numba; the numbers are the same.")
@output_option("Also write the JSON to this file.", envvar=None)
@json_option()
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
def command(
    dataset: str,
    data_root: Path | None,
    masks: tuple[str, ...],
    videos: tuple[str, ...],
    limit: int | None,
    predictions: Path,
    protocol: str | None,
    first_frame: bool,
    no_last_frame: bool,
    range_end: str | None,
    wrap_decay: bool,
    official_csv: Path | None,
    workers: int | None,
    backend: str,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score a folder of masks: J and F, bit-identical to the official DAVIS tool, with strict errors.

    Ends with exit code 4, naming the file, where a mask is missing, damaged, of another size, RGB, or holds an object
    id that the video does not have.
    """
    from robust_vos_bench.api.score import score
    from robust_vos_bench.system.atomic import make_folder, write_bytes

    found = score(
        predictions,
        dataset=dataset,
        data_root=data_root,
        mask=masks,
        videos=videos,
        limit=limit,
        protocol=protocol,
        first_frame=first_frame,
        last_frame=not no_last_frame,
        range_end=range_end,
        wrap_decay=wrap_decay,
        workers=workers,
        backend=backend,
        progress=not quiet,
    )
    if found.hint and not quiet:
        click.echo(found.hint, err=True)
    if official_csv is not None:
        found.write_official_csv(official_csv)
    if output is not None:
        make_folder(output.parent)
        write_bytes(output, (found.to_json() + "\n").encode())
    click.echo(found.to_json() if as_json else found)
