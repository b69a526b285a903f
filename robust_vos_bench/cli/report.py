"""`rvos-bench report`: one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from robust_vos_bench.cli.options import UserPath, json_option, opened_option, output_option

if TYPE_CHECKING:
    from robust_vos_bench.analysis.run import Run


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench report rvos-results/my-run\n"
    "  rvos-bench report run-a run-b --output both.html --video bmx-trees --rerun\n"
    "  rvos-bench report run-a run-b c.json.gz --table         the table alone, in the terminal",
)
@click.argument("runs", nargs=-1, required=True, type=UserPath(exists=True))
@output_option("HTML file. [default: report.html in the first run directory, or beside a packed result]", envvar=None)
@click.option("--video", help="Video whose J and F are drawn over time. [default: the one with the worst drop]")
@click.option("--strips", type=click.IntRange(min=0), default=10, show_default=True, help="Film strips of worst drops.")
@click.option("--rerun", is_flag=True, help="Run models again for strips whose masks were not saved (slow).")
@click.option("--data-root", type=UserPath(), help="Folder of the data, where it has moved.")
@opened_option("How the data is opened")
@click.option("--table", is_flag=True, help="Print the table instead of writing a page.")
@json_option()
def command(
    runs: tuple[Path, ...],
    output: Path | None,
    video: str | None,
    strips: int,
    rerun: bool,
    data_root: Path | None,
    dataset: str | None,
    table: bool,
    as_json: bool,
) -> None:
    """Write one self-contained HTML page of RUNS: tables, plots, film strips, failures, provenance.

    RUNS are run directories and packed results (.json.gz). Several share their tables, on the videos and conditions
    that all of them have; the page says what that leaves out.
    """
    from robust_vos_bench.analysis.joint import load_runs
    from robust_vos_bench.analysis.run import load_run
    from robust_vos_bench.reports.data import run_data
    from robust_vos_bench.system.json import to_json

    loaded = [load_run(run) for run in runs]
    if table:
        joined = load_runs(*loaded)
        if as_json:
            click.echo(to_json(run_data(joined)))
        else:
            _print_table(joined)
        return
    from robust_vos_bench.reports.html import report, together

    path = report(*loaded, output=output, video=video, strips=strips, rerun=rerun, data_root=data_root, dataset=dataset)
    shown, apart = together(loaded)
    if as_json:
        click.echo(to_json({"report": str(path), "runs": [run_data(run) for run in shown]}))
        return
    for text in [*shown[0].left_out, *([f"No table of all runs: {apart}."] if apart else [])]:
        click.echo(text, err=True)
    click.echo(str(path))


def _print_table(run: Run) -> None:
    from rich.console import Console

    from robust_vos_bench.analysis.naming import preset_words
    from robust_vos_bench.reports.text import WIDTH, print_summary

    console = Console(highlight=False, width=WIDTH, markup=False)
    print_summary(console, run.robustness, run.manifest.dataset.name, preset_words(run.manifest))
    for text in run.left_out:
        console.print(text)
