"""`rvos-bench plot`: figures and a table for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from robust_vos_bench.cli.options import CommaList, UserPath, flat, json_option

EPILOG = """\b
Examples:
  rvos-bench plot rvos-results/my-run                        every figure, as PDF, in figures/
  rvos-bench plot run-a run-b c.json.gz --kind severity --format pdf,png --columns 2
  rvos-bench plot rvos-results/my-run --kind drops --model aot.lite -o paper/figures
  rvos-bench plot rvos-results/my-run --latex                table.tex too: intervals, best bold, second underlined

Figures have the width of one or two columns of a paper, 8 point type and embedded fonts: include them unscaled.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("runs", nargs=-1, required=True, type=UserPath(exists=True))
@click.option(
    "--kind",
    multiple=True,
    type=CommaList(),
    callback=flat,
    help="severity, drops, scatter, differences. [default: all that the runs have numbers for]",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=CommaList(),
    callback=flat,
    help="pdf, svg, png; several by comma. [default: pdf]",
)
@click.option("--columns", type=click.IntRange(1, 2), help="Columns of the paper. [default: 2 for severity, else 1]")
@click.option("-m", "--model", help="Whose drops are shown. [default: the mean of all complete models]")
@click.option("--latex", is_flag=True, help="Write the robustness table as table.tex.")
@click.option("--dpi", type=click.IntRange(50, 1200), default=300, show_default=True, help="Of PNG.")
@click.option(
    "-o", "--output", type=UserPath(file_okay=False), default=Path("figures"), show_default=True, help="Folder."
)
@json_option()
def command(
    runs: tuple[Path, ...],
    kind: tuple[str, ...],
    formats: tuple[str, ...],
    columns: int | None,
    model: str | None,
    latex: bool,
    dpi: int,
    output: Path,
    as_json: bool,
) -> None:
    """Write figures of RUNS for a paper: severity curves, drops, clean against corrupted, paired differences.

    RUNS are run directories and packed results (.json.gz); several are shown together, on what all of them have.
    """
    from robust_vos_bench.reports.figures import plot
    from robust_vos_bench.system.json import to_json

    made = plot(
        *runs,
        kind=kind,
        output=output,
        format=formats or ("pdf",),
        columns=columns or 0,
        model=model,
        latex=latex,
        dpi=dpi,
    )
    files = [str(path) for path in made]
    click.echo(to_json({"files": files}) if as_json else "\n".join(files))
