"""Lists on a terminal of 80 columns and in a pipe, tables for other programs, every page reachable."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import robust_vos_bench as rvos
from robust_vos_bench.api.plan import _lines
from robust_vos_bench.cli import main
from robust_vos_bench.registry import Item
from robust_vos_bench.reports.export import EXPORTS, comparison_grid, summary_grid

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, one of them with a long name."""
    folder = tmp_path_factory.mktemp("runs")
    rvos.run("static", "contrast", severity=1, output=folder / "one", progress=False)
    shutil.copytree(folder / "one", folder / "labelprop+flow+static-common-davis2016-val-56a5bad4")
    return folder


def listed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as done:
        main(["list", *words])
    assert done.value.code == 0
    return capsys.readouterr().out


def test_in_a_pipe_a_line_is_a_row(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.split() for line in listed(["runs", "--folder", str(runs)], capsys).splitlines() if line.strip()]
    assert len(lines) == 4 and lines[0] == ["folder", "status", "units", "what"]
    assert all(line[1:3] == ["complete", "10/10"] for line in lines[2:]), lines
    models = listed(["models"], capsys)
    assert any(line.startswith(" aoc ") and "runs aoc.lite" in line for line in models.splitlines())


@pytest.mark.parametrize("columns", ["80", "60"])
def test_on_a_terminal_no_word_is_cut(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(runs)
    text = listed(["runs", "--folder", "."], capsys)
    for word in ("complete", "10/10", "static on", "labelprop+flow+static-common-davis2016-val-56a5bad4"):
        assert word in text
    short = listed(["runs", "--folder", "absent"], capsys)
    assert short == "no runs found in absent\n"


def test_tables_for_papers_pages_and_spreadsheets(runs: Path) -> None:
    table = rvos.load_run(runs / "one").robustness
    shown = summary_grid(table)
    rows = list(csv.reader(io.StringIO(EXPORTS["csv"](shown))))
    assert rows[0][:3] == ["model", "P", "mPC"] and rows[1][0] == "static" and float(rows[1][1]) > 0
    markdown = EXPORTS["markdown"](shown).splitlines()
    assert (
        markdown[0].startswith("| model | P | mPC |") and markdown[1].startswith("| --- | --: |") and len(markdown) == 3
    )
    latex = EXPORTS["latex"](shown)
    assert latex.startswith("\\begin{tabular}{lrr") and "\\toprule" in latex and f"static & {rows[1][1]} &" in latex
    found = rvos.compare(runs / "one", str(runs / "labelprop+flow+static-common-davis2016-val-56a5bad4"))
    assert list(csv.reader(io.StringIO(EXPORTS["csv"](comparison_grid(found)))))[1][:4] == [
        "P",
        rows[1][1],
        rows[1][1],
        "+0.0",
    ]


def test_what_latex_would_read_as_a_command_is_escaped() -> None:
    from robust_vos_bench.reports.grids import column, grid

    assert r"a\_b \& 50\% of \{x\} \textbackslash{}n" in EXPORTS["latex"](grid(column("m", ["a_b & 50% of {x} \\n"])))


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_the_commands_print_them(runs: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    words = ["run", "-m", "static", "-c", "contrast", "-s", "1", "-o", str(runs / "one"), "-q", "--table", form]
    with pytest.raises(SystemExit) as done:
        main(words)
    out, err = capsys.readouterr()
    assert done.value.code == 0 and err == ""
    assert out.rstrip("\n") == EXPORTS[form](summary_grid(rvos.load_run(runs / "one").robustness))


def test_a_plan_speaks_of_times_and_of_workers_in_words() -> None:
    facts = {
        "workers": ["cpu", "cpu", "cuda:0"], "device_hours": 4.38, "wall_hours": 0.0225, "disk_mib": 0.2,
        "memory_mib": 20_480.0, "units": 1216, "not_measured": ["m: why"], "measured": {"decode": "4 ms"},
    }  # fmt: skip
    assert [line for name, value in facts.items() for line in _lines(name, value)] == [
        "workers            2 on cpu, 1 on cuda:0",
        "models work for    4 h 20 min, all workers together",
        "takes about        81 s",
        "disk               less than 1 MiB",
        "memory, at most    20 GiB",
        "units              1,216",
        "not counted        m: why",
        "timed              decode: 4 ms",
    ]


def test_a_faulty_card_of_a_package_hides_no_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from robust_vos_bench.models.card import ModelCard, ModelEntry
    from robust_vos_bench.models.registry import MODELS
    from robust_vos_bench.origin import Origin

    card = ModelCard("theirs", weights="theirs.pth")  # type: ignore[arg-type]
    monkeypatch.setitem(MODELS.added(), "theirs", Item(ModelEntry(card, "x:Y"), Origin("package", "theirs 1.0")))
    with pytest.raises(SystemExit) as done:
        main(["list", "models"])
    out, err = capsys.readouterr()
    assert done.value.code == 0 and "labelprop" in out and "theirs" in err and "faulty card" in err


def test_the_package_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "robust_vos_bench", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and rvos.__version__ in done.stdout


def links(page: Path) -> set[Path]:
    """The files of this checkout that a page links."""
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return {(page.parent / link).resolve() for link in found if not link.startswith(("http", "mailto:"))}


def test_every_page_is_one_click_from_the_index_and_the_index_from_the_readme() -> None:
    index = ROOT / "docs" / "index.md"
    assert index in links(ROOT / "README.md")
    pages = {page.resolve() for page in (ROOT / "docs").rglob("*.md")} - {index}
    assert pages - links(index) == set(), "pages that nobody finds"
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *pages, index]:
        dead = [link for link in links(page) if not link.exists()]
        assert dead == [], f"{page.name} links what is not there"
