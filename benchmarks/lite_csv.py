"""Tables of the pages on the lite models that come from CSV files beside this, and how a table is written."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lite_scores import mean_of
from numpy.typing import NDArray

from robust_vos_bench.errors import DataError


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


def clean_at(size: int, weights: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """J&F of clean videos at a size, of `sizes.csv`: model -> video -> points.

    weights: model -> sha256 of those on the leaderboards. Raises DataError for a model that has others in the CSV.
    """
    found: dict[str, dict[str, float]] = {}
    for line in rows_of("sizes.csv"):
        model = line["model"]
        if int(line["size"]) == size:
            if weights.get(model, "")[:16] not in ("", line["weights"]):
                raise DataError(f"sizes.csv: {model} has other weights than the leaderboards; run sizes.py again")
            found.setdefault(model, {})[line["video"]] = float(line["J&F"])
    return found


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


def mean_text(values: NDArray[np.float64] | None) -> str:
    """The mean over videos."""
    return "" if values is None else f"{values.mean():.1f}"


def gain_text(values: NDArray[np.float64] | None, base: NDArray[np.float64] | None) -> str:
    """The mean difference over videos with its interval."""
    return "" if values is None or base is None else mean_of(values - base).text
