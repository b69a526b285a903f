"""Pages that are made from the code: the Python API, the command line, the table of models."""

from __future__ import annotations

import re
from pathlib import Path

import click

from robust_vos_bench.api.listing import list_models
from robust_vos_bench.cli import cli

ROOT = Path(__file__).resolve().parents[1]
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "running": ("Run and read runs", ("run", "plan", "Listener", "load_run", "load_runs", "Run", "list_runs")),
    "compare": (
        "Compare, report, publish",
        ("compare", "report", "plot", "leaderboard", "pack", "Measure", "register_measure"),
    ),
    "corrupt": ("Corrupt and look", ("Condition", "corrupt_video", "corrupt", "overlay")),
    "attack": ("Attack", ("attack", "attack_video", "Attacked", "AttackReport", "Threat", "Effort")),
    "certify": ("Certify", ("certify", "Certified")),
    "score": ("Score", ("score", "Scores")),
    "data": ("Data", ("open_dataset", "Dataset", "Video", "verify_dataset")),
    "models": (
        "Models",
        (
            "load_adapter", "check", "ModelCard", "ModelEntry", "VOSAdapter", "SessionAdapter", "StreamingAdapter",
            "TorchAdapter", "TorchSession", "Seen", "Untrained", "Weights",
        ),
    ),
    "weights": (
        "Weights",
        ("get_weights", "list_weights", "verify_weights", "weights_where", "convert_weights", "reproduce",
         "list_reproductions"),
    ),
    "lists": ("Lists", ("list_models", "list_corruptions", "list_datasets", "list_presets")),
    "errors": (
        "Errors",
        ("RvosError", "UsageError", "DataError", "WeightsError", "UnavailableError", "ContractError",
         "IncompleteError"),
    ),
}  # fmt: skip
"""Page of the API -> its title and public names. A name that is on none of them goes to a page of the others."""
OTHERS = "Others"


def public_names() -> dict[str, str]:
    """Every name of the package root -> the module that defines it, from the stub."""
    stub = (ROOT / "robust_vos_bench" / "__init__.pyi").read_text(encoding="utf-8")
    return {
        name: f"robust_vos_bench{module}"
        for module, name in re.findall(r"^from (\.\S+) import (\w+) as \2$", stub, re.M)
    }


def write(pages: Path) -> None:
    """All generated pages, below `pages`."""
    _api(pages / "api")
    _commands(pages / "commands.md")
    _models(pages / "models" / "all.md")


def _api(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = public_names()
    groups = dict(GROUPS)
    left = tuple(name for name in names if not any(name in members for _, members in groups.values()))
    if left:
        groups["others"] = (OTHERS, left)
    overview = ["# Python API", "", "Everything below is in the package root: `import robust_vos_bench as rvos`.", ""]
    for page, (title, members) in groups.items():
        here = [name for name in members if name in names]
        text = [f"# {title}", ""]
        for name in here:
            text += [f"::: {names[name]}.{name}", ""]
        (folder / f"{page}.md").write_text("\n".join(text), encoding="utf-8")
        links = ", ".join(f"[`{name}`]({page}.md#{names[name]}.{name})" for name in here)
        overview += [f"**[{title}]({page}.md)**: {links}", ""]
    (folder / "index.md").write_text("\n".join(overview), encoding="utf-8")


def _commands(path: Path) -> None:
    """Every command with what `--help` prints."""
    lines = ["# Command line", "", "What each command prints with `--help`.", ""]
    for words, command in _walk(("rvos-bench",), cli):
        context = click.Context(command, info_name=" ".join(words), max_content_width=100, terminal_width=100)
        text = command.get_help(context).rstrip()
        lines += [f"{'#' * min(len(words) + 1, 4)} {' '.join(words)}", "", "```text", text, "```", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _walk(words: tuple[str, ...], command: click.Command) -> list[tuple[tuple[str, ...], click.Command]]:
    found = [(words, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                found += _walk((*words, name), inner)
    return found


def _models(path: Path) -> None:
    """One row a variant, from the cards."""
    lines = [
        "# All variants",
        "",
        "Made from the cards, as `rvos-bench list models` shows them. What each system is, and what its authors "
        "published: [Models](../models.md).",
        "",
        "| name | what | licence | weights |",
        "|:--|:--|:--|:--|",
    ]
    for row in list_models():
        cells = (
            f"`{row['name']}`",
            row.get("title", ""),
            row.get("license", ""),
            row.get("weights", "") or "none needed",
        )
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
