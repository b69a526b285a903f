"""`rvos-bench report`: one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from robust_vos_bench.cli.options import UserPath, json_option, output_option


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench report rvos-results/my-run\n"
    "  rvos-bench report run-a run-b --output both.html --video bmx-trees --rerun",
)
@click.argument("runs", nargs=-1, required=True, type=UserPath(exists=True, file_okay=False))
@output_option("HTML file. [default: report.html in the first run]", envvar=None)
@click.option("--video", help="Video whose J and F are drawn over time. [default: the one with the worst drop]")
@click.option("--strips", type=click.IntRange(min=0), default=10, show_default=True, help="Film strips of worst drops.")
@click.option("--rerun", is_flag=True, help="Run models again for strips whose masks were not saved (slow).")
@click.option("--data-root", type=UserPath(), help="Folder of the data, where it has moved.")
@json_option()
def command(
    runs: tuple[Path, ...],
    output: Path | None,
    video: str | None,
    strips: int,
    rerun: bool,
    data_root: Path | None,
    as_json: bool,
) -> None:
    """Write one self-contained HTML page of RUNS: tables, plots, film strips, failures, provenance."""
    from robust_vos_bench.analysis.run import load_run
    from robust_vos_bench.reports.data import run_data
    from robust_vos_bench.reports.html import report
    from robust_vos_bench.system.json import to_json

    loaded = [load_run(run) for run in runs]
    path = report(*loaded, output=output, video=video, strips=strips, rerun=rerun, data_root=data_root)
    if as_json:
        click.echo(to_json({"report": str(path), "runs": [run_data(run) for run in loaded]}))
    else:
        click.echo(str(path))
