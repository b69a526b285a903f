"""`rvos-bench list`: what there is to choose from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.cli.options import UserPath, json_option
from robust_vos_bench.errors import ContractError, UsageError

UNLIMITED = 10_000
WORDS = 16
"""Columns that a column of words needs to be read; where there are fewer, a row takes two lines."""
NARROWEST = 60
"""Columns of a table at least: on a narrower terminal its lines wrap, but no word is cut into letters."""
KINDS = ("models", "corruptions", "presets", "datasets", "runs")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench list models --ready\n  rvos-bench list corruptions weather\n"
    "  rvos-bench list presets video\n  rvos-bench list runs",
)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--ready", is_flag=True, help="Models: only those that run here and now.")
@click.option("--folder", type=UserPath(), default=Path("rvos-results"), help="Runs: where to look for them.")
@json_option()
def command(kind: str, names: tuple[str, ...], ready: bool, folder: Path, as_json: bool) -> None:
    """List models, corruptions, presets, datasets or runs.

    NAME narrows the list: a corruption or model, or a family of them (weather, aot). Of a preset it shows the contents.
    """
    from robust_vos_bench.api import listing
    from robust_vos_bench.cli.stdout import warnings_as_lines

    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "models": lambda: listing.list_models(ready),
        "corruptions": listing.list_corruptions,
        "presets": listing.list_presets,
        "datasets": listing.list_datasets,
        "runs": lambda: listing.list_runs(folder),
    }
    problems = listing.problems(kind)
    for problem in problems:
        if not problem.conflict:
            click.echo(f"Warning: {problem.message}", err=True)
    shown = kind
    with warnings_as_lines():
        if names and kind == "presets":
            shown, rows = "conditions", [row for name in names for row in listing.list_conditions(name)]
        elif names and kind == "runs":
            raise UsageError("list runs takes no names; --folder says where to look")
        else:
            rows = kinds[kind]()
            rows = listing.only(kind, rows, names) if names else rows
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo(f"no {kind} found" + (f" in {folder}" if kind == "runs" else ""))
    else:
        _print(shown, rows, bool(names))
    conflicts = [problem.message for problem in problems if problem.conflict]
    if conflicts:
        raise ContractError(conflicts[0])


def _print(kind: str, rows: list[dict[str, Any]], named: bool) -> None:
    shown = [SHORT[kind](row) for row in rows]
    console = Console(highlight=False, markup=False)
    # Lines wrap on a terminal only: elsewhere a line is a row. Names and short words never do.
    width = max(console.width, NARROWEST) if console.is_terminal else UNLIMITED
    longest = {name: max(len(name), *(len(row[name]) for row in shown)) for name in shown[0]}
    whole = {name for i, name in enumerate(longest) if i == 0 or longest[name] <= WORDS}
    if sum(2 + (longest[name] if name in whole else min(longest[name], WORDS)) for name in longest) > width:
        for row in shown:
            first, *others = row.values()
            console.print(first, soft_wrap=True)
            console.print("    " + "  ".join(text for text in others if text), soft_wrap=True)
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in shown[0]:
            table.add_column(name, no_wrap=name in whole, overflow="fold")
        for row in shown:
            table.add_row(*row.values())
        Console(highlight=False, markup=False, width=width).print(table)
    click.echo(f"More of each with --json. {NOTES.get(kind, '')}".rstrip(), err=True)
    if kind == "models":
        _print_readings(rows)
        if named:
            for row in rows:
                if not row["available"]:
                    click.echo(row["explanation"], err=True)


def _print_readings(rows: list[dict[str, Any]]) -> None:
    """Options that are not their authors' code, once for all models that have the same."""
    models: dict[str, list[str]] = {}
    for row in rows:
        for option in row["readings"]:
            models.setdefault(option, []).append(row["name"])
    for names in dict.fromkeys(map(tuple, models.values())):
        options = ", ".join(option for option, of in models.items() if tuple(of) == names)
        click.echo(
            f"Our reading of papers, not compared with their authors' masks: option {options} of {', '.join(names)}.",
            err=True,
        )


def _joined(values: Any) -> str:
    return ", ".join(map(str, values)) if isinstance(values, (list, tuple)) else str(values)


def _state(row: dict[str, Any]) -> str:
    return "ready" if row["ready"] else str(row.get("why_not") or "not ready")


SHORT: dict[str, Any] = {
    "models": lambda r: {"name": r["name"], "title": str(r["title"]), "state": _state(r)},
    "corruptions": lambda r: {
        "name": r["name"],
        "family": r["family"],
        "levels": r["severities"],
        "time": r["time"],
        "what": r["summary"],
    },
    "presets": lambda r: {
        "name": f"{r['name']} v{r['version']}",
        "conditions": str(r["conditions"]),
        "description": r["description"],
    },
    "conditions": lambda r: {
        "name": r["name"],
        "family": r["family"],
        "severities": _joined(r["severities"]),
        "time": r["time"],
        "profile": r["profile"],
        "prompt frames": r["reference"],
    },
    "datasets": lambda r: {"name": r["name"], "splits": _joined(r["splits"]), "what": r["summary"]},
    "runs": lambda r: {
        "folder": r["folder"],
        "status": r["status"],
        "units": r["units"],
        "what": f"{_joined(r['models'])} on {r['dataset']}, {r['preset']}" if r["models"] else "",
    },
}
"""What fits a terminal; `--json` has everything."""
NOTES = {"models": "A family's bare name is its default variant."}
