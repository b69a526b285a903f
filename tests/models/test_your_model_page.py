"""docs/your-model.md from its first block to its last: the files are written, the commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "your-model.md"


def blocks() -> list[tuple[str, str, str]]:
    """(language, rest of the info string, text) of every fenced block."""
    return re.findall(r"^```(\S+)[ ]?(.*?)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page")
    for language, rest, text in blocks():
        if language == "python" and rest.startswith("file="):
            (path / rest.removeprefix("file=")).write_text(text, encoding="utf-8")
    return path


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder), "RVOS_BENCH_WEIGHTS": str(folder / "none")}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def commands() -> list[str]:
    return [line for language, _, text in blocks() if language == "console" for line in text.splitlines()]


def said_by(folder: Path, line: str) -> str:
    """What a command of the page prints."""
    words = shlex.split(line)
    program = [sys.executable, "-m", "robust_vos_bench"] if words[0] == "rvos-bench" else [sys.executable]
    done = call(folder, *program, *words[1:])
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def test_the_network_passes_check_as_the_page_says(folder: Path) -> None:
    check, *others = commands()
    assert check.startswith("rvos-bench check") and not any(" check " in line for line in others)
    assert f"`{said_by(folder, check).splitlines()[-1]}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_other_commands_give_the_table_of_the_page(folder: Path) -> None:
    said = "".join(said_by(folder, line) for line in commands()[1:])
    shown = next(text for language, _, text in blocks() if language == "text" and "Robustness" in text)
    headings, row = (
        next(line.split() for line in said.splitlines() if line.startswith(f" {w} ")) for w in ("model", "tiny")
    )
    on_page = {line.split()[0]: line.split() for line in reversed(shown.splitlines()) if line.strip()}
    assert on_page["model"] == headings
    # Other processors and versions of torch may differ by little.
    assert [float(n) for n in on_page["tiny"][1:3]] == pytest.approx([float(n) for n in row[1:3]], abs=5)


def test_the_list_of_variants_is_a_package(folder: Path) -> None:
    info = folder / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    toml = next(text for language, _, text in blocks() if language == "toml")
    name, target = re.search(r'^(\w+) = "(.+)"$', toml, re.M).groups()  # type: ignore[union-attr]
    (info / "entry_points.txt").write_text(f"[robust_vos_bench.adapters]\n{name} = {target}\n")
    listed = call(folder, sys.executable, "-m", "robust_vos_bench", "list", "models", "--json")
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert {"tiny.sharp", "tiny.soft"} < set(rows) and not rows["tiny.soft"]["ready"], listed.stderr
    missing = call(folder, sys.executable, "-m", "robust_vos_bench", "check", "tiny.soft")
    assert missing.returncode == 4 and "https://example.org/tiny" in missing.stderr
    done = call(folder, sys.executable, "-m", "robust_vos_bench", "check", "tiny", "--checkpoint", "random")
    assert done.returncode == 0 and "'tiny.sharp' passed" in done.stdout, done.stdout + done.stderr
