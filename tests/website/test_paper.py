"""docs/paper.md from its first command to its last, in order, in one folder."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "paper.md"


@pytest.mark.slow
def test_the_study_of_the_page_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'rvos-bench[report]'")
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            program, *words = shlex.split(line)
            assert program == "rvos-bench"
            command = [sys.executable, "-m", "robust_vos_bench", *words]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
    table = (tmp_path / "figures" / "table.tex").read_text()
    assert "flow" in table and "static" in table and r"\textbf" in table
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".pdf", ".png", ".tex"}
    assert list((tmp_path / "boards").glob("*.md")) and (tmp_path / "frames.png").stat().st_size > 10_000
