"""LaTeX tables compile: names of every kind, many columns, many models, and what `--table latex` prints."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import robust_vos_bench as rvos
from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.reports.export import as_latex, comparison_grid, summary_grid
from robust_vos_bench.reports.latex import Numbers, paper_table, robustness_latex, tex

Make = Callable[..., Path]
PDFLATEX = shutil.which("pdflatex")
needs_latex = pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex on this machine")
DOCUMENT = r"\documentclass[twocolumn]{article}\usepackage{booktabs,graphicx}\begin{document}%s\end{document}"
NAMES = ["[size=480]", "*", "a<b>&$x^{2}$ #1 ~c \\d {e} % | \"f\" 'g' †‡·–—…±×≤≥→µ", "é ü ß ł --h", "two\nlines"]


def compiled(text: str, folder: Path) -> str:
    """What pdflatex says of a table in a document of two columns, with its own line breaks taken out."""
    (folder / "table.tex").write_text(DOCUMENT % text, encoding="utf-8")
    words = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, timeout=120, check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0 and (folder / "table.pdf").is_file(), said
    return said


@needs_latex
def test_names_of_every_kind_compile(run_folder: Make, tmp_path: Path) -> None:
    run = rvos.load_run(run_folder(models=NAMES, gap=0.1))
    compiled(robustness_latex(run.robustness, " ".join(NAMES)) + as_latex(summary_grid(run.robustness)), tmp_path)
    two = rvos.load_run(run_folder("two", models=NAMES[:2], gap=0.1))
    compiled(as_latex(comparison_grid(rvos.compare(two))), tmp_path)


@needs_latex
@pytest.mark.parametrize("families", [1, 2, 4, 5, 6, 12])
def test_a_table_fits_the_page_however_many_families(run_folder: Make, tmp_path: Path, families: int) -> None:
    conditions = [("", 0, ""), *((f"c{i}", 3, f"family{i}"[:8]) for i in range(families))]
    run = rvos.load_run(run_folder(models=["aoc.lite", "aot.lite", "labelprop"], conditions=conditions, gap=0.1))
    said = compiled(robustness_latex(run.robustness, "A caption."), tmp_path)
    assert "Overfull" not in said


@needs_latex
def test_forty_models_and_missing_cells_compile(run_folder: Make, tmp_path: Path) -> None:
    many = rvos.load_run(run_folder(models=[f"model{i}" for i in range(40)]))
    assert "Overfull" not in compiled(robustness_latex(many.robustness), tmp_path)
    compiled(robustness_latex(rvos.load_run(run_folder("gap", missing=[("two", "fog-5", "b")])).robustness), tmp_path)


def test_characters_that_pdflatex_does_not_know_are_kept_and_told(run_folder: Make) -> None:
    text = robustness_latex(rvos.load_run(run_folder(models=["模型", "two"])).robustness)
    assert text.splitlines()[1].startswith("% pdfLaTeX does not know") and "模型 &" in text
    assert "does not know" not in robustness_latex(rvos.load_run(run_folder("plain", models=["é", "two"])).robustness)


def test_signs_at_the_start_of_a_row_are_no_options() -> None:
    assert tex("[a]") == "{[}a]" and tex("*") == "{*}" and tex("a---b–c") == "a-{}-{}-b--c"
    assert not re.search(r"(?<!\\)[&%$#_]", tex("&%$#_").replace("\\$", ""))


def test_intervals_stand_below_the_numbers_where_there_are_many_columns() -> None:
    interval = Interval(50.0, 40.0, 60.0)
    text = paper_table(["a", "b"], [Numbers("mPC", (50.0, 40.0), (interval, None))] * 7, "", "tab:x")
    rows = [[cell.strip() for cell in line.split("&")] for line in text.splitlines()]
    first = next(i for i, row in enumerate(rows) if row[0] == "a")
    assert rows[first][1] == r"\textbf{50.0}" and rows[first + 1][:2] == ["", r"{\tiny[40.0, 60.0]}"]
    assert rows[first + 2][1] == "40.0" and rows[first + 3][1] == ""
