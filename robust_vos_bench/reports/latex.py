r"""Tables for papers: LaTeX with booktabs, intervals in small brackets, the best value bold, the second underlined."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.measure import Better
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.analysis.words import points

SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "†": r"$\dagger$", "·": r"$\cdot$",
    "<": r"$<$", ">": r"$>$", "|": r"\textbar{}", "\n": " ", "…": r"\ldots{}", "±": r"$\pm$",
    "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$", "µ": r"$\mu$", "‡": r"$\ddagger$",
    "[": "{[}", "*": "{*}",  # behind the end of a row they would be its options
}  # fmt: skip
DASHES = {"–": "--", "—": "---"}
"""Written after hyphens in a row have been kept apart."""
KNOWN = 0x17F
"""The last character of Latin Extended-A: pdfLaTeX writes letters up to here, and stops at others."""
SMALL, TINY = r"\scriptsize", r"\tiny"
COMPACT, STACKED, MOST = 5, 6, 10
"""With more columns than these, a table gets smaller type; intervals below the numbers; is scaled to the page."""


def _number(value: float) -> str:
    """One decimal with a true minus."""
    return points(value).replace("-", "$-$")


def tex(text: str) -> str:
    """Text as LaTeX shows it, hyphens in a row as hyphens."""
    apart = re.sub("-(?=-)", "-{}", "".join(SIGNS.get(c, c) for c in text))
    return "".join(DASHES.get(c, c) for c in apart)


def _needs_unicode(text: str) -> bool:
    return any(ord(character) > KNOWN for character in text)


@dataclass(frozen=True)
class Numbers:
    """One column of a paper's table."""

    heading: str
    values: tuple[float, ...]
    intervals: tuple[Interval | None, ...] = ()
    lower: bool = False
    """Whether the best value is the smallest one."""


def robustness_latex(table: RobustnessTable, caption: str = "", label: str = "tab:robustness") -> str:
    """The headline measures and the families of every model as a `table` environment; needs `booktabs`,
    and `graphicx` with more than ten columns."""
    rows = in_order(table)
    columns = [
        *(_measure(table, rows, key) for key in ("P", "mPC", "rPC", "drop")),
        *(_family(rows, family) for family in table.families),
    ]
    return paper_table([row.model for row in rows], columns, caption, label)


def paper_table(models: Sequence[str], columns: Sequence[Numbers], caption: str, label: str) -> str:
    """A row per model. Bold: best of a column; underlined: second; among complete models only if there are two."""
    compact, stacked, scaled = (len(columns) > most for most in (COMPACT, STACKED, MOST))
    names = [tex(model) for model in models]
    numbers: list[list[str]] = [[] for _ in names]
    spans: list[list[str]] = [[] for _ in names]
    for column in columns:
        marks = _marks(column)
        for i, value in enumerate(column.values):
            numbers[i].append(marks[i](_number(value)))
            spans[i].append(_interval(column.intervals[i], stacked) if column.intervals else "")
    if stacked:  # intervals stand below the numbers
        body = [
            f"{_line([name, *first])}\n    {_line(['', *second])}[2pt]"
            for name, first, second in zip(names, numbers, spans)
        ]
    else:
        body = [_line([name, *(f"{n} {s}".rstrip() for n, s in zip(*of))]) for name, *of in zip(names, numbers, spans)]
    foreign = _needs_unicode("".join(names) + tex(caption))
    arrows = {True: r"$\downarrow$", False: r"$\uparrow$"}
    lines = [
        rf"% needs \usepackage{{booktabs}}{' and {graphicx}' * scaled}",
        *(["% pdfLaTeX does not know all characters here: use LuaLaTeX or XeLaTeX"] * foreign),
        r"\begin{table*}",
        r"  \centering",
        rf"  \caption{{{tex(caption)}}}",
        rf"  \label{{{label}}}",
        *([r"  \footnotesize\setlength{\tabcolsep}{3pt}"] * compact),
        *([r"  \resizebox{\textwidth}{!}{%"] * scaled),
        rf"  \begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"    \toprule",
        f"    {_line(['model', *(f'{tex(c.heading)} {arrows[c.lower]}' for c in columns)])}",
        r"    \midrule",
        *(f"    {line}" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}" + "}" * scaled,
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _measure(table: RobustnessTable, rows: Sequence[RobustnessRow], key: str) -> Numbers:
    measure = table.measures[key]
    return Numbers(
        key,
        tuple(row[key] for row in rows),
        tuple(row.interval(key) for row in rows),
        measure.better is Better.LOWER,
    )


def _family(rows: Sequence[RobustnessRow], family: str) -> Numbers:
    means = tuple(row.summary.families[family] for row in rows)
    return Numbers(family, means, tuple(row.families[family] for row in rows))


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


def _interval(interval: Interval | None, small: bool) -> str:
    if interval is None or math.isnan(interval.low):
        return ""
    return rf"{{{TINY if small else SMALL}[{_number(interval.low)}, {_number(interval.high)}]}}"
