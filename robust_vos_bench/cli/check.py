"""`rvos-bench check`: does a model, a corruption or a data set keep its contract?"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import click

from robust_vos_bench.cli.options import UserPath, debugging, device_option, json_option, offline_option
from robust_vos_bench.errors import ContractError

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN ", "skipped": "skipped"}
KINDS = ("model", "corruption", "dataset")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench check labelprop\n  rvos-bench check my_model.py:MyModel --option size=480\n"
    "  rvos-bench check aot --checkpoint random\n  rvos-bench check own.py:darker\n"
    "  rvos-bench check my_data.py:MyData --data-root ~/videos",
)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), help="What NAME is, where the name alone does not say.")
@click.option("--checkpoint", envvar="RVOS_BENCH_CHECKPOINT", help="Weights file, or 'random' (untrained weights).")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Option of the model; repeat for several."
)
@click.option("--data-root", type=UserPath(), envvar="RVOS_BENCH_DATA_ROOT", help="Folder of the data set.")
@device_option()
@offline_option()
@json_option()
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    kind: str | None,
    checkpoint: str | None,
    options: tuple[str, ...],
    data_root: Path | None,
    device: str,
    offline: bool,
    as_json: bool,
) -> None:
    """Test a model, a corruption or a data set in seconds: does it keep its contract?

    NAME is a name as `rvos-bench list` prints it, or path/to/file.py:name. Models and corruptions run on made-up
    clips; of a data set the first videos are read. Exit code 5 where the contract is broken.
    """
    from robust_vos_bench.api.check import check
    from robust_vos_bench.cli.stdout import prints_on_stderr, warnings_as_lines

    debug = debugging()
    with prints_on_stderr(), warnings_as_lines():  # files may print where they are imported
        report = check(
            name, kind=kind, checkpoint=checkpoint, option=options, data_root=data_root, device=device, offline=offline
        )
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        for finding in report.findings:
            click.echo(f"{MARKS[finding.level]}  {finding.check}" + (f": {finding.detail}" if finding.detail else ""))
            if debug and finding.traceback:
                click.echo(textwrap.indent(finding.traceback, "    "))
        if not debug and any(finding.traceback for finding in report.findings):
            click.echo("(--debug shows where, line by line)")
        peak = "" if report.peak_mib is None else f", process peak {report.peak_mib:.0f} MiB"
        click.echo(f"{report.frames} frames in {report.seconds:.1f} s{peak}")
        click.echo(report.verdict)
    if not report.ok:
        if as_json:
            click.echo(report.verdict, err=True)
        ctx.exit(ContractError.exit_code)
