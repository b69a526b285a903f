"""The tables of attacks on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.attacks.flags import Flag, told
from robust_vos_bench.attacks.table import Board, Row
from robust_vos_bench.attacks.threat import read_threat
from robust_vos_bench.runs.store import safe_name

COLUMNS = 5
"""Threats side by side."""


def print_board(console: Console, board: Board) -> None:
    """Robust J&F of every model with its flags, then the matrix of sources and targets, then what the flags mean."""
    console.print(
        "Robust J&F in %: on the frames found, the worst of each video. Not found is not safe.", soft_wrap=True
    )
    if board.threats:
        for start in range(0, len(board.threats), COLUMNS):
            console.print(_own(board, board.threats[start : start + COLUMNS]))
    console.print(_facts(board))
    if len(board.sources) > 1 or any(safe_name(row.model) not in board.sources for row in board.rows):
        for threat in board.threats:
            console.print(_matrix(board, threat))
    raised = dict.fromkeys(flag.name for row in board.rows for _, flag in row.flags)
    for row in board.rows:
        for label, flag in row.flags:
            mark = "ERROR, no evaluation" if flag.is_error else "flag"
            console.print(
                f"{mark}: {row.model} · {label} · {flag.name}" + (f" ({flag.detail})" if flag.detail else ""),
                style="bold red" if flag.is_error else None,
                soft_wrap=True,
            )
    for name in raised:
        console.print(f"{told(Flag(name))}.", soft_wrap=True)
    for label in board.unread:
        console.print(
            f"The flags of {label} are not known: its split is gone, damaged, or not the one that was scored. Make it "
            "again with the `rvos-bench attack` that made it",
            soft_wrap=True,
        )
    if not raised and not board.unread and any(row.own for row in board.rows):
        console.print("No flag was raised.")


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _own(board: Board, threats: tuple[str, ...]) -> Table:
    table = _table("model", "P", *threats)
    for row in board.rows:
        table.add_row(row.model, _shown(row.clean), *(_cell(row, label) for label in threats))
        spans = [_span(row, label) for label in threats]
        if any(spans):
            table.add_row("  95 % CI", "", *spans)
        baselines = [read_threat(label).noise for label in threats]
        noise = ["" if n is None else _shown(row.noise.get(n.label, math.nan)) for n in baselines]
        if any(noise):
            table.add_row("  noise", "", *noise)
    return table


def _cell(row: Row, label: str) -> str:
    """The number, with "!" where it is no evaluation and "*" where it has another flag."""
    text = _shown(row.own.get(label, math.nan))
    marks = {"!" if flag.is_error else "*" for where, flag in row.flags if where == label}
    return text + ("!" if "!" in marks else "*" if marks else "") if text else ""


def _span(row: Row, label: str) -> str:
    """The interval over videos, "" where there is none."""
    span = row.spans.get(label)
    return "" if span is None or math.isnan(span.low) else f"{span.low:.0f} to {span.high:.0f}"


def _facts(board: Board) -> Table:
    table = _table("model", "worst transfer", "from", "lost %", "e50")
    for row in board.rows:
        e50 = "" if row.e50 is None else str(row.e50)
        table.add_row(row.model, _shown(row.transfer[0]), row.transfer[1], _shown(row.lost), e50)
    return table


def _matrix(board: Board, threat: str) -> Table:
    models = [row.model for row in board.rows]
    known = {safe_name(model): model for model in models}  # sources are named as their folders are
    table = _table(f"{threat}: made against", *(f"on {model}" for model in models))
    for source in board.sources:
        cells = [_shown(board.matrix.get((threat, source, model), math.nan)) for model in models]
        if any(cells):
            table.add_row(known.get(source, source), *cells)
    return table


def _shown(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1f}"


def lines(board: Board) -> Iterator[str]:
    """The same as plain text, for a notebook."""
    console = Console(highlight=False, width=100, markup=False, record=True, file=None)
    with console.capture() as captured:
        print_board(console, board)
    yield from captured.get().splitlines()
