r"""Tables for papers: LaTeX with booktabs, intervals in small brackets, the best value bold, the second underlined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.measure import Better
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.analysis.words import points

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "†": r"$\dagger$", "–": "--", "·": r"$\cdot$",
    "<": r"$<$", ">": r"$>$", "\n": " ",
}  # fmt: skip


def _number(value: float) -> str:
    """One decimal with a true minus."""
    return points(value).replace("-", "$-$")


def tex(text: str) -> str:
    """Text as LaTeX shows it."""
    return "".join(_SPECIAL.get(character, character) for character in text)


@dataclass(frozen=True)
class Numbers:
    """One column of a paper's table."""

    heading: str
    values: tuple[float, ...]
    intervals: tuple[Interval | None, ...] = ()
    lower: bool = False
    """Whether the best value is the smallest one."""


def robustness_latex(table: RobustnessTable, caption: str = "", label: str = "tab:robustness") -> str:
    """The headline measures and the families of every model as a `table` environment; needs `booktabs`."""
    rows = in_order(table)
    columns = [
        *(_measure(table, rows, key) for key in ("P", "mPC", "rPC", "drop")),
        *(_family(rows, family) for family in table.families),
    ]
    return paper_table([row.model for row in rows], columns, caption, label)


def paper_table(models: Sequence[str], columns: Sequence[Numbers], caption: str, label: str) -> str:
    """A row per model. Bold: best of a column; underlined: second; among complete models only if there are two."""
    body = [[tex(model)] for model in models]
    for column in columns:
        marks = _marks(column)
        for i, (line, value) in enumerate(zip(body, column.values)):
            line.append(marks[i](_number(value)) + _interval(column.intervals[i] if column.intervals else None))
    arrows = {True: r"$\downarrow$", False: r"$\uparrow$"}
    heading = ["model", *(f"{tex(c.heading)} {arrows[c.lower]}" for c in columns)]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table*}",
        r"  \centering",
        rf"  \caption{{{tex(caption)}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"    \toprule",
        f"    {' & '.join(heading)} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(line)} \\\\" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _measure(table: RobustnessTable, rows: Sequence[RobustnessRow], key: str) -> Numbers:
    measure = table.measures[key]
    return Numbers(
        key,
        tuple(row[key] for row in rows),
        tuple(row.interval(key) for row in rows),
        measure.better is Better.LOWER,
    )


def _family(rows: Sequence[RobustnessRow], family: str) -> Numbers:
    return Numbers(
        family, tuple(row.summary.families[family] for row in rows), tuple(row.families[family] for row in rows)
    )


def _marks(column: Numbers) -> list[Callable[[str], str]]:
    """What is done to the number of each row. Values that print alike are alike."""
    shown = [math.nan if math.isnan(v) else round(v, 1) + 0.0 for v in column.values]
    known = sorted({v for v in shown if not math.isnan(v)}, reverse=not column.lower)
    if sum(not math.isnan(v) for v in shown) < 2:
        return [str for _ in shown]
    found: list[Callable[[str], str]] = []
    for value in shown:
        if value == known[0]:
            found.append(r"\textbf{{{}}}".format)
        elif len(known) > 2 and value == known[1]:
            found.append(r"\underline{{{}}}".format)
        else:
            found.append(str)
    return found


def _interval(interval: Interval | None) -> str:
    if interval is None or math.isnan(interval.low):
        return ""
    return rf" {{\scriptsize[{_number(interval.low)}, {_number(interval.high)}]}}"
