"""What a failing model leaves behind: a line of its own, the whole traceback in the log, each cause said once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robust_vos_bench.runs.store import RunStore

Rvos = Callable[..., subprocess.CompletedProcess[str]]
MODEL = """
import numpy as np
from robust_vos_bench import ModelCard, StreamingAdapter

class Raises(StreamingAdapter):
    card = ModelCard("raises")

    def reset(self, video):
        self.name = video.name

    def step(self, frame, prompt, last):
        if self.name == "c":
            raise LookupError("no layer for this one")
        return np.zeros((2, 3)).reshape(7)

class DoesNotLoad(Raises):
    card = ModelCard("does-not-load")

    def __init__(self, checkpoint=None, device="cpu", *, size: int = 3):
        self.size = size
"""
LINE = next(i for i, line in enumerate(MODEL.splitlines(), 1) if "reshape(7)" in line)


@pytest.fixture
def grid(clips: Path, tmp_path: Path) -> Callable[..., list[object]]:
    (tmp_path / "mine.py").write_text(MODEL)

    def words(name: str, workers: int, *more: object) -> list[object]:
        data = ("--dataset", "folder", "--data-root", clips, "--corruption", "contrast", "--severity", "1,2")
        return ["run", "-m", f"mine.py:{name}", *data, "-w", workers, "-o", "out", *more]

    return words


def logged(out: Path, event: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [e for e in events if e["event"] == event]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_log_has_the_traceback_and_the_screen_each_cause_once(
    grid: Callable[..., list[object]], tmp_path: Path, rvos: Rvos, workers: int
) -> None:
    done = rvos(*grid("Raises", workers))
    assert done.returncode == 3
    told = [line for line in done.stderr.splitlines() if line.startswith("!")]
    assert len(told) == 4, "two causes, and how often each was met again"
    assert sum(f"(mine.py:{LINE} in step)" in line for line in told) == 1 and "LookupError" in done.stderr
    assert {line.split(" more")[0] for line in told[2:]} == {"! and 5", "! and 2"}
    assert "Traceback" not in done.stderr and "9 failed" in done.stderr
    failed = logged(tmp_path / "out", "failed")
    assert len(failed) == 9 and all(
        f'mine.py", line {LINE}, in step' in e["traceback"] for e in failed if "7" in e["error"]
    )
    assert all("return np.zeros((2, 3)).reshape(7)" in e["traceback"] for e in failed if e["video"] != "c")
    record = RunStore(tmp_path / "out").records("clean", "raises")["a"]
    assert f"(mine.py:{LINE} in step)" in record.error and str(tmp_path) not in record.error, "records are shared"


def test_debug_shows_the_traceback_of_each_cause(grid: Callable[..., list[object]], rvos: Rvos) -> None:
    done = rvos("--debug", *grid("Raises", 2))
    assert done.returncode == 3
    assert done.stderr.count("return np.zeros((2, 3)).reshape(7)") == 1
    assert done.stderr.count('raise LookupError("no layer for this one")') == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_does_not_load_ends_the_run_with_its_traceback(
    grid: Callable[..., list[object]], tmp_path: Path, rvos: Rvos, workers: int
) -> None:
    debug = ["--debug"] * (workers == 2)
    done = rvos(*grid("DoesNotLoad", workers, *debug))
    assert done.returncode == 5 and "has to call `super().__init__(checkpoint, device)`" in done.stderr
    assert ("load_adapter" in done.stderr) == ("Traceback" in done.stderr) == bool(debug)
    (stopped,) = logged(tmp_path / "out", "stopped")
    assert "load_adapter" in stopped["traceback"] and "super().__init__" in stopped["error"]


def test_quiet_prints_failures_and_nothing_else(grid: Callable[..., list[object]], clips: Path, rvos: Rvos) -> None:
    done = rvos(*grid("Raises", 1, "-q"))
    lines = done.stderr.splitlines()
    assert all(line.startswith("!") for line in lines[:-1]) and lines[-1].startswith("0/9 units done, 9 failed")
    words = ["--dataset", "folder", "--data-root", clips, "--corruption", "contrast", "--severity", "1", "-w", 1, "-q"]
    done = rvos("run", "-m", "static", *words, "-o", "fine")
    assert done.returncode == 0 and done.stderr == "" and "mPC" in done.stdout
    done = rvos("corrupt", *words, "-o", "frames")
    assert done.returncode == 0 and done.stderr == "" and "contrast-1" in done.stdout
    done = rvos("score", "--dataset", "folder", "--data-root", clips, "--predictions", clips / "Annotations", "-q")
    assert done.returncode == 0 and done.stderr == "" and "J&F" in done.stdout


def test_a_damaged_video_is_said_once(clips: Path, rvos: Rvos) -> None:
    for file in (clips / "JPEGImages" / "b").iterdir():
        file.write_bytes(b"")
    words = ["--dataset", "folder", "--data-root", clips, "--corruption", "contrast,brightness", "-w", 1]
    for verb in (["run", "-m", "static", *words, "-o", "out"], ["corrupt", *words, "-o", "frames"]):
        done = rvos(*verb)
        told = [line for line in done.stderr.splitlines() if line.startswith("!")]
        assert done.returncode in (3, 4) and len(told) == 2 and "for the same reason" in told[1], done.stderr
        assert told[1].startswith(f"! and {10 if verb[0] == 'run' else 9} more")
