"""Figures for papers: sizes, one style, the same bytes; LaTeX tables; axes in Python."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.cli import cli
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.latex import Numbers, paper_table, robustness_latex

pytest.importorskip("matplotlib", reason="needs the extra: pip install 'rvos-bench[report]'")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_vos_bench.reports import plots

Make = Callable[..., Path]


def test_the_command_writes_every_figure_in_every_format(run_folder: Make, tmp_path: Path) -> None:
    folder, out = run_folder(gap=0.1), tmp_path / "figures"
    done = CliRunner().invoke(
        cli, ["plot", str(folder), "--format", "pdf,svg,png", "--latex", "-o", str(out), "--dpi", "100"]
    )
    assert done.exit_code == 0, done.output
    names = {f"{k}.{f}" for k in ("severity", "drops", "scatter", "differences") for f in ("pdf", "svg", "png")}
    assert {path.name for path in out.iterdir()} == {*names, "table.tex"} and len(done.output.split()) == 13
    assert Image.open(out / "severity.png").width == 690 and Image.open(out / "drops.png").width == 330
    assert (
        b"/FontType 3" not in (out / "severity.pdf").read_bytes()
        and (out / "severity.pdf").read_bytes()[:5] == b"%PDF-"
    )
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    rvos.plot(folder, output=out, format=["pdf", "svg", "png"], latex=True, dpi=100)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_unknown_words_are_named(run_folder: Make, tmp_path: Path) -> None:
    folder = str(run_folder())
    for words, told in ((["--kind", "curve"], "unknown figure 'curve'"), (["--format", "eps"], "unknown format 'eps'")):
        done = CliRunner().invoke(cli, ["plot", folder, "-o", str(tmp_path / "f"), *words])
        assert done.exit_code != 0 and told in str(done.exception), done.exception
    with pytest.raises(UsageError, match="no model 'x'"):
        rvos.plot(folder, output=tmp_path / "f", model="x")
    assert not (tmp_path / "f").exists()


def test_functions_return_axes_and_draw_into_given_ones(run_folder: Make) -> None:
    run = rvos.load_run(run_folder(gap=0.1))
    curves = plots.severity_curves(run, columns=1)
    assert [axis.get_title() for axis in curves] == ["weather", "noise"] and curves[0].figure.get_figwidth() == 3.3
    assert curves[0].lines[0].get_ydata()[2] == pytest.approx(run.robustness["one"].summary.cells["fog-5"])
    figure = Figure()
    mine = figure.subplots(2, 2).ravel()
    drawn = [
        plots.drop_map(run, "two", ax=mine[0]),
        plots.clean_against_corrupted(run, by="object", ax=mine[1]),
        plots.paired_differences(run, ax=mine[2]),
        plots.over_time(run, "a", "fog-5", ax=mine[3]),
    ]
    assert drawn == list(mine) and all(isinstance(axis, Axes) for axis in drawn)
    shown = {text.get_text() for text in mine[0].texts}
    row = run.robustness["two"]
    assert f"{row.summary.p - row.summary.cells['fog-5']:.1f}" in shown and "n/a" not in shown
    assert len(mine[3].lines) == 4 and np.allclose(mine[3].lines[1].get_ydata(), mine[3].lines[1].get_ydata()[0])
    with pytest.raises(UsageError, match="no scores by frame of object 9"):
        plots.over_time(run, "a", "fog-5", object=9)
    with pytest.raises(UsageError, match="2 families"):
        plots.severity_curves(run, axes=[mine[0]])


def test_nothing_global_is_touched(run_folder: Make) -> None:
    import matplotlib

    before, pyplot = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    plots.severity_curves(rvos.load_run(run_folder()))
    assert dict(matplotlib.rcParams) == before and ("matplotlib.pyplot" in sys.modules) == pyplot


def test_a_paper_table_marks_best_and_second_per_column() -> None:
    columns = [
        Numbers("mPC", (70.04, 70.0, 50.0, float("nan"))),
        Numbers("drop", (-3.0, 1.0, 2.0, 1.0), lower=True),
    ]
    text = paper_table(["a_b", "c", "d", "e"], columns, "50 %", "tab:x")
    assert r"model & mPC $\uparrow$ & drop $\downarrow$ \\" in text and r"\caption{50 \%}" in text
    assert r"a\_b & \textbf{70.0} & \textbf{$-$3.0} \\" in text and r"c & \textbf{70.0} & \underline{1.0} \\" in text
    assert r"d & 50.0 & 2.0 \\" in text and r"e & n/a & \underline{1.0} \\" in text


def test_the_latex_of_a_run_has_its_numbers(run_folder: Make) -> None:
    run = rvos.load_run(run_folder(gap=0.1))
    text = robustness_latex(run.robustness)
    interval = run.robustness["one"].interval("mPC")
    assert interval is not None
    wanted = rf"\textbf{{{interval.value:.1f}}} {{\scriptsize[{interval.low:.1f}, {interval.high:.1f}]}}"
    assert wanted in text
    assert re.search(r"\\begin\{tabular\}\{lrrrrrr\}", text)
    assert r"\textbf" not in robustness_latex(rvos.load_run(run_folder("alone", models=["one"])).robustness)
