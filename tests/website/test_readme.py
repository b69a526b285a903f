"""The Python of the README runs, and its first table is what the command prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import robust_vos_bench as rvos

README = Path(__file__).resolve().parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")
MODEL, RUN = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_model_of_the_readme_runs() -> None:
    names: dict[str, Any] = {}
    exec(compile(MODEL, str(README), "exec"), names)
    video = rvos.open_dataset("demo").video("cat")
    masks = list(names["Still"]().segment(video))
    assert len(masks) == len(video) and (masks[-1] == video.prompts[0]).all()


@pytest.mark.slow
def test_the_run_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(RUN, str(README), "exec"), names)
    assert names["run"].models == ["flow"] and names["run"].table()["mPC_low"].notna().all()


@pytest.mark.slow
def test_the_command_prints_the_table_of_the_readme(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "robust_vos_bench", "run", "--model", "static,flow,labelprop"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, check=True)
    shown = re.search(r"```\n(Robustness on demo.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    assert [line.split() for line in shown[1].splitlines() if line.strip()] == [
        line.split() for line in done.stdout.splitlines() if line.strip()
    ][: len([line for line in shown[1].splitlines() if line.strip()])]
