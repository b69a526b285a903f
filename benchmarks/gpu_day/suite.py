"""The project's own tests that need a GPU: `pytest -m gpu`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from gpu_day.setting import Rows, Setting, Step

TOP = Path(__file__).resolve().parents[2]


def steps(setting: Setting) -> list[Step]:
    """All of them in one step."""
    return [Step("tests", "pytest -m gpu", tests, (), 60)]


def tests(setting: Setting) -> Rows:
    """How many passed, failed and were skipped, and why."""
    files = sorted(
        str(path.relative_to(TOP))
        for path in (TOP / "tests").rglob("test_*.py")
        if "pytest.mark.gpu" in path.read_text(encoding="utf-8")
    )
    if not files:
        raise RuntimeError("no test is marked gpu")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-m", "gpu", "-rs", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    if done.returncode not in (0, 1, 5) or not counts:
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-300:]} {done.stderr[-300:]}")
    told = re.findall(r"^(?:SKIPPED|FAILED|ERROR) .*$", done.stdout, re.M)
    return {"counts": counts, "told": [line[:200] for line in told], "files": files}


def table(found: dict[str, Rows]) -> list[str]:
    """A sentence, and a line per skip or failure."""
    lines = []
    for r in found.values():
        counts = ", ".join(f"{number} {word}" for word, number in r["counts"].items())
        lines += [f"`pytest -m gpu {' '.join(r['files'])}`: {counts}.", "", *(f"- `{line}`" for line in r["told"])]
    return lines
