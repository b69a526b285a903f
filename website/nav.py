"""The navigation: folders in it become their pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def with_folders(config: Path, pages: Path) -> str:
    """The configuration as YAML, each entry of `nav` that ends with / replaced by the pages of that folder."""
    import yaml

    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["nav"] = [_filled(entry, pages) for entry in settings["nav"]]
    return str(yaml.safe_dump(settings, sort_keys=False))


def _filled(entry: Any, pages: Path) -> Any:
    if not isinstance(entry, dict):
        return entry
    [(title, value)] = entry.items()
    if isinstance(value, list):
        return {title: [_filled(inner, pages) for inner in value]}
    if not value.endswith("/"):
        return entry
    names = sorted(path.name for path in (pages / value).glob("*.md") if path.name != "index.md")
    first = [f"{value}index.md"] if (pages / value / "index.md").is_file() else []
    return {title: [*first, *(f"{value}{name}" for name in names)]}
