"""The command line: one module a verb, loaded only when that verb is used."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from robust_vos_bench.errors import RvosError
from robust_vos_bench.system.libraries import explained_imports
from robust_vos_bench.system.streams import forgiving
from robust_vos_bench.system.tracebacks import whole
from robust_vos_bench.version import __version__

VERBS = {
    "run": "Corrupt, segment and score: prints a robustness table. Run it again to resume.",
    "corrupt": "Write a corrupted copy of a data set, or preview corruptions.",
    "attack": "Find frames that hurt a model most within a budget; store and score them.",
    "certify": "Lower bounds that no change of the frames within a radius undoes.",
    "score": "Score a folder of masks (J & F), as the official tools do.",
    "overlay": "Draw masks on their frames: a film to look at.",
    "compare": "Paired difference of two models or runs, with interval.",
    "leaderboard": "Build leaderboard pages from run directories.",
    "report": "One self-contained HTML page from run directories.",
    "plot": "Figures and a LaTeX table for a paper.",
    "pack": "Make a checked archive of a complete run.",
    "check": "Test a model, a corruption or a data set in seconds.",
    "list": "List models, corruptions, presets, datasets or runs.",
    "data": "Get, verify and find data sets.",
    "weights": "Get, verify and list the weights that authors publish.",
    "reproduce": "Run a model as its authors did, beside the score that they published.",
    "doctor": "Show what this machine has and what is missing.",
}
MODULES = {"list": "listing"}


class LazyGroup(click.Group):
    """Imports a verb's module when it is called; the overview needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order of a study, not of the alphabet."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's `command`."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"robust_vos_bench.cli.{MODULES.get(cmd_name, cmd_name)}")
        found: click.Command = module.command
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Name the nearest verb where one is mistyped."""
        from robust_vos_bench.errors import unknown

        if args and args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise unknown("command", args[0], VERBS, "See `rvos-bench --help`.")
        name, verb, rest = super().resolve_command(ctx, args)
        if verb is not None:
            refuse_repeated(ctx, name or "", verb, rest)
        return name, verb, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with one line each, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def refuse_repeated(ctx: click.Context, name: str, verb: click.Command, args: Sequence[str]) -> None:
    """Raise a usage error where a flag that takes one value is given twice: the last would win without a word."""
    own = click.Context(verb, parent=ctx, info_name=name)
    try:
        given = verb.make_parser(own).parse_args(args=list(args))[2]
    except click.UsageError:  # the verb itself says what is wrong
        return
    for option in given:
        one = isinstance(option, click.Option) and not (option.multiple or option.is_flag or option.count)
        if one and given.count(option) > 1:
            flag = max(option.opts, key=len)
            raise click.UsageError(f"{flag} is given {given.count(option)} times, and takes one value", own)


EPILOG = """\b
Examples:
  rvos-bench run                                        demo data, training-free model
  rvos-bench run --model flow --corruption blur --severity 1,3,5
  rvos-bench run --model xmem --preset common --dataset davis2017:val --data-root ~/DAVIS
  rvos-bench score --dataset davis2017:val --data-root ~/DAVIS --predictions results/
  rvos-bench list corruptions

Exit codes: 0 done, 1 unexpected error, 2 usage, 3 failed or missing cells,
4 data or weights missing or wrong, 5 an adapter broke its contract, 130 interrupted.
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="rvos-bench")
@click.option("--debug", is_flag=True, help="Show a traceback with every error.", envvar="RVOS_BENCH_DEBUG")
def cli(debug: bool) -> None:
    """How much does a video object segmentation model lose when the video is bad?"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `rvos-bench`: runs a verb and turns errors into one message and an exit code.

    Nothing that is printed can end the work or change its exit code: see `system.streams`.
    """
    with forgiving():
        code = _outcome(arguments)
    sys.exit(code)


def _outcome(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("RVOS_BENCH_DEBUG", "") not in ("", "0")
    words = [word for word in words if word != "--debug"]  # it may stand behind the verb
    try:
        with explained_imports():
            code = cli.main(args=["--debug", *words] if debug else words, prog_name="rvos-bench", standalone_mode=False)
        sys.stdout.flush()  # a full disk behind it is told here
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        code = 130
    except RvosError as error:
        if debug:
            click.echo(error.traceback or whole(error), err=True)
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    except Exception as error:
        again = "" if debug else "\nRun again with --debug for the traceback."
        if debug:
            click.echo(whole(error), err=True)
        click.echo(f"Unexpected {type(error).__name__}: {error}{again}", err=True)
        code = 1
    return code if isinstance(code, int) else 0
