"""A page of the leaderboards of attacks for readers (tables), for programs (JSON) and for a spreadsheet (CSV)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from robust_vos_bench.analysis.intervals import caution
from robust_vos_bench.analysis.words import plural, points
from robust_vos_bench.attacks.flags import MEANINGS
from robust_vos_bench.attacks.leaderboard import AttackPage, BoardRow, Cell
from robust_vos_bench.attacks.standing import BY_HAND, REDUCED, STANDARD, TRANSFER
from robust_vos_bench.reports.grids import Column, column, grid, span
from robust_vos_bench.reports.sheets import Sheet

HEADINGS = {
    STANDARD: ("Standard effort", "Searched as a standard preset says."),
    BY_HAND: ("Effort chosen by hand", "Other settings than the standard ones: not to be ranked with other tables."),
    REDUCED: (
        "Reduced effort",
        "Fewer losses, steps, starts or queries than the standard preset: a full search may find far lower scores. Not "
        "to be ranked with rows of another table.",
    ),
    TRANSFER: (
        "Not attacked",
        "Only shown frames that were made against other models. That says how such frames carry over, and nothing of "
        "what an attack on these models would find.",
    ),
}  # fmt: skip
DIGITS = 4


def sheet_of(page: AttackPage) -> Sheet:
    """The page as tables."""
    videos = f"{page.videos} of {page.videos_in_split}" if page.videos < page.videos_in_split else str(page.videos)
    lead = (
        f"J&F in points on frames that were made to hurt, threat {page.threat}, e: its budget. Robust: video by video "
        f"the worst of all audited splits that the threat allows, whoever made them, so a split from anybody can only "
        f"lower a row. An upper bound: not found is not safe. {videos} videos, {page.objects} objects, protocol "
        f"{page.protocol}. CI: 95 %, jackknife over videos. Rows in the order of their mean over the budgets that all "
        "rows of a table have."
    )
    tables = []
    for name, rows in page.sections():
        heading, note = HEADINGS[name]
        tables.append((heading, note, grid(*_scores(page, rows))))
    tables.append(("How each row was made", "", grid(*_made(page.rows))))
    told = dict.fromkeys(flag.name for row in page.rows for _, flag in row.flags)
    notes = [caution(page.videos), *(f"{name}: {MEANINGS[name]}." for name in MEANINGS if name in told)]
    if any(flag.is_error for row in page.rows for _, flag in row.flags):
        notes.insert(0, "Marked !: no evaluation of the model: the search did not work on it.")
    if any(not flag.is_error for row in page.rows for _, flag in row.flags):
        notes.insert(0, "Marked *: flagged, a stronger attack is asked for.")
    best = page.rows[0]
    return Sheet(
        name=page.name,
        title=f"{page.dataset} · {page.threat}",
        lead=lead,
        tables=tuple(tables),
        finding=_finding(page),
        notes=tuple(note for note in notes if note),
        summary=(
            page.dataset,
            page.threat,
            str(len(page.rows)),
            str(page.videos),
            ", ".join(f"e{b}" for b in page.budgets),
            f"{best.model} ({best.standing})" if best.standing != TRANSFER else "n/a",
        ),
    )


def _finding(page: AttackPage) -> str:
    """Lowest to highest J&F of the models that were attacked, clean and per budget, where the search worked."""
    rows = [row for row in page.rows if row.standing != TRANSFER]
    parts = [f"{_range([row.clean for row in rows])} clean"] if rows else []
    for budget in page.budgets:
        cells = [row.cells[budget] for row in rows if budget in row.cells]
        sound = [cell.robust.value for cell in cells if not any(flag.is_error for flag in cell.flags)]
        if any(not math.isnan(value) for value in sound):
            parts.append(f"{_range(sound)} at budget {budget}")
    if len(parts) < 2:
        return ""
    return f"J&F of {plural(len(rows), 'attacked model')}: {', '.join(parts)}."


def _range(values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    low, high = points(min(known, default=math.nan)), points(max(known, default=math.nan))
    return low if low == high else f"{low} to {high}"


def _scores(page: AttackPage, rows: Sequence[BoardRow]) -> list[Column]:
    columns = [
        column("model", (row.model for row in rows)),
        column("clean", (points(row.clean) for row in rows), "right"),
    ]
    for budget in page.budgets:
        cells = [row.cells.get(budget) for row in rows]
        columns += [
            column(f"noise e{budget}", ("–" if c is None else points(c.noise) for c in cells), "right"),
            Column(f"robust e{budget}", tuple(map(_robust, cells)), strong=True),
            column("95 % CI", ("–" if c is None else span(c.robust) for c in cells), "center"),
        ]
    return [
        *columns,
        column("worst transfer", (_transfer(r) for r in rows)),
        column("e50", (_e50(row, page.budgets) for row in rows), "right"),
        column("effort", ("; ".join(row.efforts) or "transfer only" for row in rows)),
        column("flags", ("; ".join(_flags(row)) for row in rows)),
    ]


def _robust(cell: Cell | None) -> str:
    """The number, with "!" where it is no evaluation and "*" where it has another flag."""
    if cell is None:
        return "–"
    marks = "!" if any(f.is_error for f in cell.flags) else "*" if cell.flags else ""
    return points(cell.robust.value) + marks


def _transfer(row: BoardRow) -> str:
    return f"{points(row.transfer[0])} {row.transfer[1]}" if row.transfer[1] else "–"


def _e50(row: BoardRow, budgets: Sequence[int]) -> str:
    if row.standing == TRANSFER:
        return "–"
    return str(row.e50) if row.e50 is not None else f"> {max(row.cells, default=max(budgets))}"


def _flags(row: BoardRow) -> list[str]:
    names = dict.fromkeys(flag.name for _, flag in row.flags)
    found = []
    for name in names:
        here = [(budget, flag) for budget, flag in row.flags if flag.name == name]
        where = ", ".join(f"e{budget}" + (f" {flag.detail}" if flag.detail else "") for budget, flag in here)
        found.append(f"{'ERROR ' if here[0][1].is_error else ''}{name}: {where}")
    return found or (["none"] if row.standing != TRANSFER else ["–"])


def _made(rows: Sequence[BoardRow]) -> list[Column]:
    return [
        column("model", (row.model for row in rows)),
        column("weights sha256", (row.record.weights_sha256[:16] or "needs none" for row in rows)),
        column("adapter", (f"v{row.record.adapter_version}" for row in rows)),
        column("effort", (row.standing for row in rows)),
        column("passes", (str(row.passes) if row.passes else "–" for row in rows), "right"),
        column("CPU s", ("–" if math.isnan(row.cpu_seconds) else f"{row.cpu_seconds:.0f}" for row in rows), "right"),
        column("lowest by", ("; ".join(_held(row)) for row in rows)),
        column("rvos-bench", (", ".join(row.tools) for row in rows)),
        column("run", (", ".join(row.runs) for row in rows)),
    ]


def _held(row: BoardRow) -> list[str]:
    return [f"e{budget}: {', '.join(cell.held_by)}" for budget, cell in row.cells.items() if cell.held_by]


def board_data(page: AttackPage) -> dict[str, Any]:
    """Plain data; what is missing is None."""
    return {
        "page": page.name,
        "dataset": page.dataset,
        "threat": page.threat,
        "protocol": page.protocol,
        "videos": page.videos,
        "videos_in_split": page.videos_in_split,
        "objects": page.objects,
        "budgets": list(page.budgets),
        "rows": [_row_data(row) for row in page.rows],
    }


def _row_data(row: BoardRow) -> dict[str, Any]:
    return {
        "model": row.model,
        "standing": row.standing,
        "effort": list(row.efforts),
        "clean": _number(row.clean),
        "budgets": {
            str(budget): {
                "robust": _number(cell.robust.value),
                "interval": [_number(cell.robust.low), _number(cell.robust.high)],
                "noise": _number(cell.noise),
                "attacked": cell.attacked,
                "lowest_by": list(cell.held_by),
                "flags": [{"flag": f.name, "detail": f.detail, "error": f.is_error} for f in cell.flags],
            }
            for budget, cell in row.cells.items()
        },
        "worst_transfer": _number(row.transfer[0]),
        "worst_transfer_from": row.transfer[1],
        "e50": row.e50,
        "weights_sha256": row.record.weights_sha256,
        "adapter_version": row.record.adapter_version,
        "passes": row.passes,
        "cpu_seconds": _number(row.cpu_seconds),
        "tools": list(row.tools),
        "runs": list(row.runs),
    }


def board_csv(page: AttackPage) -> str:
    """One row per model."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    spans = [f"{what}_e{b}" for b in page.budgets for what in ("robust", "low", "high", "noise", "flags")]
    writer.writerow(["model", "standing", "effort", "clean", *spans, "worst_transfer", "worst_transfer_from", "e50",
                     "weights_sha256", "passes", "cpu_seconds", "runs"])  # fmt: skip
    for row in page.rows:
        cells: list[Any] = []
        for budget in page.budgets:
            cell = row.cells.get(budget)
            values = [math.nan] * 4 if cell is None else [*(
                cell.robust.value, cell.robust.low, cell.robust.high, cell.noise
            )]  # fmt: skip
            cells += [
                *map(_text, values),
                "" if cell is None else " ".join(f.name.replace(" ", "-") for f in cell.flags),
            ]
        writer.writerow(
            [row.model, row.standing, "; ".join(row.efforts), _text(row.clean), *cells, _text(row.transfer[0]),
             row.transfer[1], "" if row.e50 is None else row.e50, row.record.weights_sha256, row.passes,
             _text(row.cpu_seconds), " ".join(row.runs)]
        )  # fmt: skip
    return stream.getvalue()


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, DIGITS)


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{DIGITS}f}"
