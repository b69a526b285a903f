"""`rvos-bench pack`: a checked archive of a complete run."""

from __future__ import annotations

from pathlib import Path

import click

from robust_vos_bench.cli.options import UserPath


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench pack rvos-results/my-run                    results, for a pull request\n"
    "  rvos-bench pack rvos-results/my-run --masks clean      palette masks, for an evaluation server",
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
@click.option("-o", "--output", type=UserPath(), help="File to write. [default: beside the run]")
def command(run: Path, masks: str | None, model: str | None, layout: str | None, output: Path | None) -> None:
    """Check RUN and pack it: scores of one model as .json.gz, or its masks as .zip. Incomplete runs are refused."""
    from robust_vos_bench.reports.pack import pack

    click.echo(str(pack(run, masks, model, output, layout)))
