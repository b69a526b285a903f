"""The code of the pages runs; README and the tutorials have tests of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"python.md", "your-model.md", "your-video.md", "adapters.md"}


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, without the indentation of the list that they stand in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [textwrap.dedent(text) for _, text in found]


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


PAGES = [
    page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in ELSEWHERE and blocks(page, "python")
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_the_pages_runs(page: Path, tmp_path: Path) -> None:
    run_python("\n".join(blocks(page, "python")), tmp_path)


def test_the_scorer_of_its_page_prints_both_objects(tmp_path: Path) -> None:
    said = run_python("\n".join(blocks(ROOT / "docs" / "scoring.md", "python")), tmp_path).split()
    assert said[0] == "1" and said[4] == "2" and all(0 < float(said[i]) < 1 for i in (1, 2, 3, 5, 6, 7))


def test_the_corruption_of_contributing_passes_its_own_test_and_check(tmp_path: Path) -> None:
    written, tested = blocks(ROOT / "CONTRIBUTING.md", "python")
    (tmp_path / "lens.py").write_text(written, encoding="utf-8")
    call = "\ntest_corners_lose_what_the_severity_says()\n"
    code = tested.replace("from __future__ import annotations", "from __future__ import annotations\nimport lens")
    run_python(code + call, tmp_path)
    words = [sys.executable, "-m", "robust_vos_bench", "check", "lens.py:vignette"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_first_steps_run_in_order(tmp_path: Path) -> None:
    """docs/start.md as somebody types it, but for the installation."""
    program = f'rvos-bench() {{ {sys.executable} -m robust_vos_bench "$@"; }}\nset -e\n'
    for block in blocks(ROOT / "docs" / "start.md", "sh")[1:]:
        done = subprocess.run(
            ["bash", "-c", program + block], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
    assert (tmp_path / "look.png").is_file() and list(tmp_path.glob("rvos-results/*/report.html"))
