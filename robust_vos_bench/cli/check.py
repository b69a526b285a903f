"""`rvos-bench check`: test a model adapter on synthetic clips."""

from __future__ import annotations

import json

import click

from robust_vos_bench.cli.options import device_option, json_option

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN ", "skipped": "skipped"}


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench check labelprop\n  rvos-bench check my_model.py:MyModel --option size=480\n"
    "  rvos-bench check aot --checkpoint random",
)
@click.argument("name")
@click.option("--checkpoint", envvar="RVOS_BENCH_CHECKPOINT", help="Weights file, or 'random' (untrained weights).")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Option of the model; repeat for several."
)
@device_option()
@json_option()
def command(name: str, checkpoint: str | None, options: tuple[str, ...], device: str, as_json: bool) -> None:
    """Test a model on synthetic clips in seconds: does it keep the adapter contract?

    NAME is a model name or path/to/file.py:Class. Exit code 5 where the contract is broken.
    """
    from robust_vos_bench.cli.stdout import prints_on_stderr
    from robust_vos_bench.models import choose, load_adapter, parse_options
    from robust_vos_bench.models.check import check_adapter, raise_if_broken

    with prints_on_stderr():
        choice = choose(name, checkpoint)
        if choice.instead:
            click.echo(choice.instead, err=True)
            name = choice.entry.name
        parsed = parse_options(choice.entry, options)
        report = check_adapter(load_adapter(name, checkpoint, device, **parsed))
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        for finding in report.findings:
            click.echo(f"{MARKS[finding.level]}  {finding.check}" + (f": {finding.detail}" if finding.detail else ""))
        peak = "" if report.peak_mib is None else f", process peak {report.peak_mib:.0f} MiB"
        click.echo(f"{report.model}: {report.frames} frames in {report.seconds:.1f} s{peak}")
    raise_if_broken(report)
