"""`rvos-bench list`: what there is to choose from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.cli.options import json_option
from robust_vos_bench.errors import DataError

KINDS = ("models", "corruptions", "presets", "datasets", "runs")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench list models --ready\n  rvos-bench list corruptions\n  rvos-bench list runs",
)
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--ready", is_flag=True, help="Models: only those that run here and now.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("rvos-results"), help="Runs: where to look for them."
)
@json_option()
def command(kind: str, ready: bool, folder: Path, as_json: bool) -> None:
    """List models, corruptions, presets, datasets or runs."""
    rows = {
        "models": lambda: _models(ready),
        "corruptions": _corruptions,
        "presets": _presets,
        "datasets": _datasets,
        "runs": lambda: _runs(folder),
    }[kind]()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"no {kind} found" + (f" in {folder}" if kind == "runs" else ""))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [SHORT[kind](row) for row in rows]
    for i, name in enumerate(shown[0]):
        table.add_column(name, no_wrap=i == 0, overflow="fold")
    for row in shown:
        table.add_row(*row.values())
    Console(highlight=False, markup=False).print(table)
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


def _corruptions() -> list[dict[str, Any]]:
    from robust_vos_bench.conditions import corruptions

    rows = [
        {
            "name": c.name,
            "family": c.family,
            "severities": f"1-{c.levels}",
            "time": ", ".join(c.temporal) or "-",
            "values": ", ".join(map(str, c.values)) + (f" ({c.unit})" if c.unit else ""),
            "summary": c.summary,
        }
        for c in corruptions().values()
    ]
    return sorted(rows, key=lambda row: (row["family"], row["name"]))


def _presets() -> list[dict[str, Any]]:
    from robust_vos_bench.conditions.presets import load_preset, preset_names

    rows = []
    for name in preset_names():
        info = load_preset(name)
        rows.append(
            {
                "name": info.name,
                "version": info.version,
                "conditions": len(info.conditions()),
                "corruptions": list(info.corruptions),
                "description": info.description,
            }
        )
    return rows


def _datasets() -> list[dict[str, Any]]:
    from robust_vos_bench.datasets.registry import ENTRIES

    return [
        {
            "name": e.family,
            "splits": [s for s in e.splits if s],
            "needs --data-root": e.needs_root,
            "summary": e.summary,
        }
        for e in ENTRIES
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
                "dataset": manifest.dataset["name"],
                "preset": manifest.preset["name"],
                "units": f"{manifest.units.ok}/{manifest.units.planned}",
                "updated": manifest.updated,
            }
        )
    return rows
