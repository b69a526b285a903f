"""`rvos-bench list`: what there is to choose from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.cli.options import UserPath, json_option
from robust_vos_bench.errors import ContractError, DataError, RvosError

if TYPE_CHECKING:
    from robust_vos_bench.registry import Item, Registry

NARROWEST = 60
"""Columns of a table at least: on a narrower terminal its lines wrap, but no word is cut into letters."""
KINDS = ("models", "corruptions", "presets", "datasets", "runs")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench list models --ready\n  rvos-bench list corruptions\n  rvos-bench list runs",
)
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--ready", is_flag=True, help="Models: only those that run here and now.")
@click.option("--folder", type=UserPath(), default=Path("rvos-results"), help="Runs: where to look for them.")
@json_option()
def command(kind: str, ready: bool, folder: Path, as_json: bool) -> None:
    """List models, corruptions, presets, datasets or runs."""
    conflict = _tell_problems(kind)
    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "models": lambda: _models(ready),
        "corruptions": _corruptions,
        "presets": _presets,
        "datasets": _datasets,
        "runs": lambda: _runs(folder),
    }
    rows = kinds[kind]()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo(f"no {kind} found" + (f" in {folder}" if kind == "runs" else ""))
    else:
        _print(kind, rows)
    if conflict:
        raise ContractError(conflict)


def _tell_problems(kind: str) -> str:
    """Name the plug-ins that cannot be used on stderr; returns the first conflict of names, if any."""
    if kind == "runs":
        return ""
    problems = _registry(kind).problems()
    for problem in problems:
        if not problem.conflict:
            click.echo(f"Warning: {problem.message}", err=True)
    return next((problem.message for problem in problems if problem.conflict), "")


def _registry(kind: str) -> Registry[Any]:
    if kind == "models":
        from robust_vos_bench.models.registry import MODELS

        return MODELS
    if kind == "datasets":
        from robust_vos_bench.datasets import DATASETS

        return DATASETS
    from robust_vos_bench.conditions import CORRUPTIONS, PRESETS

    return CORRUPTIONS if kind == "corruptions" else PRESETS


def _print(kind: str, rows: list[dict[str, Any]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [SHORT[kind](row) for row in rows]
    for i, name in enumerate(shown[0]):
        table.add_column(name, no_wrap=i == 0, overflow="fold")
    for row in shown:
        table.add_row(*row.values())
    console = Console(highlight=False, markup=False)
    if console.width < NARROWEST:
        console = Console(highlight=False, markup=False, width=NARROWEST)
    console.print(table)
    click.echo(f"More of each with --json. {NOTES.get(kind, '')}".rstrip(), err=True)


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


def _models(ready: bool) -> list[dict[str, Any]]:
    from robust_vos_bench.models import describe_models

    return [row for row in describe_models() if row.get("ready") or not ready]


def _origin(item: Item[Any]) -> dict[str, str]:
    """Where an item comes from, said only of what is not built in."""
    return {} if item.origin.kind == "built in" else {"origin": str(item.origin)}


def _corruptions() -> list[dict[str, Any]]:
    from robust_vos_bench.conditions import CORRUPTIONS

    rows = [
        {
            "name": c.name,
            "family": c.family,
            "severities": f"1-{c.levels}",
            "time": ", ".join(c.temporal) or "-",
            "values": ", ".join(map(str, c.values)) + (f" ({c.unit})" if c.unit else ""),
            "summary": c.summary,
            **_origin(item),
        }
        for item in CORRUPTIONS.usable().values()
        for c in (item.value,)
    ]
    return sorted(rows, key=lambda row: (row["family"], row["name"]))


def _presets() -> list[dict[str, Any]]:
    from robust_vos_bench.conditions import PRESETS, load_preset

    rows = []
    for name, item in sorted(PRESETS.usable().items()):
        try:
            info = load_preset(name)
        except RvosError as error:  # of an installed package: the others are listed all the same
            click.echo(f"Warning: {error}", err=True)
            continue
        rows.append(
            {
                "name": info.name,
                "version": info.version,
                "conditions": len(info.conditions()),
                "corruptions": list(info.corruptions),
                "description": info.description,
                **_origin(item),
            }
        )
    return rows


def _datasets() -> list[dict[str, Any]]:
    from robust_vos_bench.datasets import DATASETS, ENTRIES

    usable = DATASETS.usable()
    order = [*(entry.family for entry in ENTRIES), *sorted(set(usable) - {entry.family for entry in ENTRIES})]
    return [
        {
            "name": name,
            "splits": [s for s in usable[name].value.splits if s],
            "needs --data-root": usable[name].value.needs_root,
            "summary": usable[name].value.summary,
            **_origin(usable[name]),
        }
        for name in order
    ]


def _runs(folder: Path) -> list[dict[str, Any]]:
    from robust_vos_bench.runs.store import RunStore

    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*/run.json")):
        try:
            manifest = RunStore(path.parent).manifest()
        except DataError as error:
            click.echo(f"Warning: {error}", err=True)
            unknown = {"models": [], "dataset": "", "preset": "", "units": "", "updated": ""}
            rows.append({"folder": str(path.parent), "status": "damaged", **unknown})
            continue
        if manifest is None:
            continue
        rows.append(
            {
                "folder": str(path.parent),
                "status": manifest.status,
                "models": [m.name for m in manifest.models],
                "dataset": manifest.dataset.name,
                "preset": manifest.preset.name,
                "units": f"{manifest.units.ok}/{manifest.units.planned}",
                "updated": manifest.updated,
            }
        )
    return rows
