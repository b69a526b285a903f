"""Tables of the pages on the lite models that come from CSV files beside this, and how a table is written."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lite_scores import mean_of


def ablation() -> str:
    """Mean J with parts of the plain networks changed at inference, a sound reference: `ablation.csv` beside this."""
    cells: dict[tuple[str, str], dict[str, list[float]]] = {}
    for line in rows_of("ablation.csv"):
        if line["damaged"] != "all":
            row = cells.setdefault((line["model"], line["part"]), {})
            row.setdefault(line["corruption"], []).append(float(line["J"]))
    columns = list(next(iter(cells.values())))
    rows = []
    for (model, part), found in cells.items():
        texts = [f"{np.mean(found[column]):.1f}" for column in columns]
        whole = cells[model, "whole"]
        gains = np.mean([np.subtract(found[c], whole[c]) for c in columns if c != "clean"], 0)
        change = "" if part == "whole" else mean_of(gains).text
        rows.append((f"`{model}`, {part}", [*texts, change]))
    headings = [column if column == "clean" else f"`{column}`" for column in columns]
    return table("J, first 20 frames", [*headings, "damaged, minus whole"], rows)


def ceiling(rows: Sequence[Mapping[str, Any]]) -> str:
    """J&F with parts of the task done for the models: rows as `ceiling.py` makes them, a column per video."""
    cells: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        cells.setdefault((row["model"], row["part"]), {})[row["video"]] = float(row["J&F"])
    videos = list(next(iter(cells.values())))
    lines = []
    for (model, part), found in sorted(cells.items(), key=lambda item: not item[0][0]):  # what has no model comes last
        values = [float(np.mean(list(found.values()))), *(found[video] for video in videos)]
        lines.append((f"`{model}`, {part}" if model else part, [f"{value:.1f}" for value in values]))
    return table("J&F", ["mean", *videos], lines)


def rows_of(name: str) -> list[dict[str, str]]:
    """Lines of a CSV beside this."""
    with (Path(__file__).parent / name).open(newline="") as lines:
        return list(csv.DictReader(lines))


def table(corner: str, headings: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Markdown without the rows and the columns that hold nothing."""
    rows = [(label, cells) for label, cells in rows if any(cells)]
    used = [i for i in range(len(headings)) if any(cells[i] for _, cells in rows)]
    lines = [f"| {corner} | {' | '.join(headings[i] for i in used)} |", "|---" * (len(used) + 1) + "|"]
    lines += [f"| {label} | {' | '.join(cells[i] for i in used)} |" for label, cells in rows]
    return "\n".join(lines)
