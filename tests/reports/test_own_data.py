"""Pages and films of a run on a data set in a file, which its name in the run does not open."""

from __future__ import annotations

from pathlib import Path

import pytest

import robust_vos_bench as rvos
from robust_vos_bench.cli import main as command
from robust_vos_bench.errors import UsageError

SQUARES = f"{Path(__file__).parents[1] / 'plugin' / 'rvos_example' / 'data.py'}:Squares"


def main(words: list[str]) -> object:
    with pytest.raises(SystemExit) as ended:
        command(words)
    return ended.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = {"dataset": SQUARES, "save_masks": True, "progress": False, "workers": 1, "device": "cpu"}
    rvos.run(model="flow", corruption="gaussian_noise-5,contrast-5", output=tmp_path / "own", **words)  # type: ignore[arg-type]
    return tmp_path / "own"


def test_strips_are_drawn_where_the_data_is_opened_as_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), f"--output={folder}/bare.html"]) == 0
    assert main(["report", str(folder), f"--dataset={SQUARES}", f"--output={folder}/told.html"]) == 0
    bare, told = ((folder / f"{name}.html").read_text().count("data:image/") for name in ("bare", "told"))
    assert told > bare
    assert "--dataset path/to/file.py:name" in (folder / "bare.html").read_text()
    capsys.readouterr()
    assert main(["report", str(folder), "--dataset=demo"]) == 2
    assert "demo is demo, and the run was made on" in capsys.readouterr().err


def test_films_are_drawn_where_the_data_is_opened_as_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films = rvos.overlay(folder, condition="clean", dataset=SQUARES, output=folder / "films", progress=False)
    assert len(films) == 3 and all(film.is_file() for film in films)
    assert main(["overlay", str(folder), "--condition=clean", f"--dataset={SQUARES}", "--quiet"]) == 0
    with pytest.raises(UsageError, match="the run was made on"):
        rvos.overlay(folder, condition="clean", dataset="demo", progress=False)


def test_the_variable_of_run_does_not_open_the_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_DATASET", "demo")
    assert main(["report", str(folder)]) == 0
