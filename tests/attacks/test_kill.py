"""A command of attacks that is killed, and one of several processes: the same pixels as one that ran through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clips import write_folder

THREATS = ("linf-prompt-e4", "linf-prompt-e8", "linf-all-e4")


def command(root: Path, output: Path, workers: int = 1) -> list[str]:
    """The words of a command that takes a few seconds."""
    return [
        sys.executable, "-m", "robust_vos_bench", "attack", "--model", f"{Path(__file__).parent / 'toys.py'}:Toy",
        "--preset", "adversarial-quick", "--threat", ",".join(THREATS), "--steps", "40", "--dataset", "folder",
        "--data-root", str(root), "--output", str(output), "--workers", str(workers), "--device", "cpu", "--no-score",
    ]  # fmt: skip


def pixels(output: Path) -> dict[str, str]:
    """Split and video -> hash of its frames."""
    return {
        f"{path.parent.parent.name}/{path.stem}": json.loads(path.read_text())["pixels"]
        for path in output.glob("*/.rvos-bench/*.json")
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_killed_and_repeated_by_other_numbers_of_processes(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    subprocess.run(command(root, tmp_path / "whole"), check=True, capture_output=True)
    started = subprocess.Popen(command(root, tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            if len([name for name in pixels_there(tmp_path / "killed") if name.startswith("linf")]) >= 1:
                break
            time.sleep(0.05)
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    before = pixels(tmp_path / "killed")
    assert 0 < len(before) < 12
    subprocess.run(command(root, tmp_path / "killed", workers=2), check=True, capture_output=True)
    assert pixels(tmp_path / "killed") == pixels(tmp_path / "whole")
    assert len(pixels(tmp_path / "whole")) == 12


def pixels_there(output: Path) -> list[str]:
    """Splits and videos whose records lie there."""
    return [f"{path.parent.parent.name}/{path.stem}" for path in output.glob("*/.rvos-bench/*.json")]
