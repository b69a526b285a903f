"""`rvos-bench pack`: a checked archive of a complete run."""

from __future__ import annotations

from pathlib import Path

import click

from robust_vos_bench.cli.options import UserPath, opened_option


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench pack rvos-results/my-run                    results, for a pull request\n"
    "  rvos-bench pack rvos-results/my-run --masks clean      palette masks, for an evaluation server\n"
    "  rvos-bench pack attacked/scores --model aot.lite       scores under attack, with effort and flags",
)
@click.argument("run", type=UserPath(exists=True, file_okay=False))
@click.option("--masks", metavar="CONDITION", help="Pack the saved masks of this condition instead of the scores.")
@click.option("--model", help="Which model, where the run has several.")
@click.option(
    "--layout",
    type=click.Choice(["annotations", "videos", "objects"]),
    help="Of the zip: Annotations/<video>/ (YouTube-VOS, LVOS), <video>/ at the top (DAVIS test-dev, MOSE), or "
    "<film>/<object>/ (SA-V). "
    "[default: as the data set's server wants it]",
)
@click.option(
    "--attacked",
    type=UserPath(exists=True, file_okay=False),
    multiple=True,
    help="Folder of the stored splits that RUN scored; repeatable. [default: the folder that RUN lies in]",
)
@click.option("--maker", default="", help="Who made the stored splits, as a leaderboard shall name them.")
@click.option(
    "--data-root",
    type=UserPath(exists=True),
    help="Folder of the data, for the audit of stored splits. [default: RUN's]",
)
@opened_option("How the data is opened, for that audit")
@click.option("-o", "--output", type=UserPath(), help="File to write. [default: beside the run]")
def command(
    run: Path,
    masks: str | None,
    model: str | None,
    layout: str | None,
    attacked: tuple[Path, ...],
    maker: str,
    data_root: Path | None,
    dataset: str | None,
    output: Path | None,
) -> None:
    """Check RUN and pack it: scores of one model as .json.gz, or its masks as .zip. Incomplete runs are refused.

    A run of stored splits is packed with how they were made and their flags, after an audit of every split.
    """
    from robust_vos_bench.api.share import pack

    click.echo(str(pack(run, masks, model, output, layout, attacked, maker, data_root, True, dataset)))
