"""Pages, figures and tables of odd runs: they make sense, say what is missing, and escape what they show."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robust_vos_bench import load_run
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.charts.canvas import Canvas, marker, number, ticks
from robust_vos_bench.reports.figures import plot
from robust_vos_bench.reports.html import build_report
from robust_vos_bench.reports.leaderboard_files import leaderboard

Make = Callable[..., Path]
EVIL = "<img src=x onerror=alert(1)>\"'&_$x^{2}$"
MANY = {"models": [f"model{i}" for i in range(40)], "videos": [f"v{i}" for i in range(3)]}
ALL = ["severity", "drops", "scatter", "differences"]
ODD: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    # settings, what the page says, figures
    "one model": ({"models": ["solo"]}, ["solo on demo"], ["severity", "drops", "scatter"]),
    "forty": (MANY, ["and 38 more on demo", "grey: 33 more", *(f"{n} more models" for n in (34, 28, 27))], ALL),
    "one video": ({"videos": ["a"]}, ["Only 1 video"], ALL),
    "clean only": ({"conditions": [("", 0, "")]}, ["it has clean scores only"], []),
    "no clean": ({"conditions": [("fog", 1, "weather")]}, ["there is no clean score"], ["severity", "differences"]),
    "failed": (
        {"missing": [("two", "fog-5", "a"), ("two", "fog-5", "b")], "error": "lost its mind"},
        ["2 units failed or missing", "fog-5 (a, b)", "lost its mind"],
        ["severity", "drops", "scatter"],
    ),
    "names": ({"models": [EVIL, "_two"], "videos": [EVIL, "b"]}, [], ALL),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_the_page_of_an_odd_run(run_folder: Make, name: str) -> None:
    settings, words, _ = ODD[name]
    page = build_report([load_run(run_folder(**settings))])
    assert [text for text in words if text not in page] == []
    assert (
        "<img src=x" not in page and "nan" not in re.sub(r"data:[^\"]*|<script.*?</script>", "", page).lower().split()
    )
    contents = re.search(r'<nav class="contents".*?</nav>', page, re.DOTALL)
    assert contents is not None
    ids = re.findall(r'href="#([^"]+)"', contents.group())
    assert ids and [i for i in ids if f'id="{i}"' not in page] == []
    assert len(re.findall(r'\bid="', page)) == len(set(re.findall(r'\bid="([^"]+)"', page)))


def test_numbers_of_a_missing_cell_are_never_drawn(run_folder: Make) -> None:
    page = build_report([load_run(run_folder(missing=[("two", "fog-5", "b")]))])
    chart = re.search(r'aria-label="J&amp;F over severity under weather.*?</svg>', page, re.DOTALL)
    assert chart is not None
    assert len(re.findall(r"weather, severity 5", chart.group())) == 1  # of the other model
    assert "n/a: cells are missing" in page


@pytest.mark.parametrize("name", ODD)
def test_the_figures_of_an_odd_run(run_folder: Make, tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'rvos-bench[report]'")
    settings, _, figures = ODD[name]
    made = plot(run_folder(**settings), output=tmp_path / "figures", format="svg", latex=True)
    assert [path.name for path in made] == [*(f"{figure}.svg" for figure in figures), "table.tex"]
    text = (tmp_path / "figures" / "table.tex").read_text()
    assert "<img" not in text and "nan" not in text
    if not figures:
        with pytest.raises(UsageError, match="no scored corruption"):
            plot(run_folder("again", **settings), output=tmp_path / "none", kind="severity")


def test_the_site_of_odd_runs(run_folder: Make, tmp_path: Path) -> None:
    settings = [ODD[name][0] for name in ("one model", "one video", "names")]
    folders = [run_folder(f"run{i}", **of) for i, of in enumerate(settings)]
    folders.append(run_folder("part", models=["three"], missing=[("three", "fog-5", "b")]))
    leaderboard(*folders, output=tmp_path, site=True)
    for path in (tmp_path / "site").glob("*.html"):
        assert "<img src=x" not in path.read_text(), path
    index = (tmp_path / "site" / "index.html").read_text()
    assert "3 of 4: what is missing is not averaged over, and the model is not ranked" in index


def test_charts_escape_and_keep_their_scale() -> None:
    chart = Canvas(EVIL, (0, 10), (0, 100))
    chart.axes(EVIL, EVIL)
    chart.path(0, [(0, 5.0), (1, float("nan")), (2, 7.0)], tip=EVIL)
    chart.add(marker(1, 3, 4, tip=EVIL))
    text = chart.__html__()
    assert "<img" not in text and text.count("&lt;img") == 5
    assert re.search(r'd="M34 [\d.]+M', text), "a gap at what is missing"
    assert chart.at(0, 0) == (34, 196) and chart.at(10, 100) == (332, 10)
    assert [number(v) for v in (-0.04, 3.0, 2.25)] == ["0", "3", "2.2"]
    assert ticks(40, 100) == [40, 60, 80, 100] and ticks(0, 0.3)[-1] == 0.3 and ticks(5, 5) == [5]
