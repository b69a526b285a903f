"""What a command costs: wall and CPU seconds of its process tree, peak memory, bytes written."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.25
"""Seconds between two looks at the memory of the process tree."""


@dataclass(frozen=True)
class Cost:
    """Of one command, with all processes that it started and waited for."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    peak_mib: float
    """The larger of the largest single process and of the sum over the tree (shared pages divided), as sampled."""
    written_mib: float
    """What was given to write calls: files, scratch files and pipes."""

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(
            self.wall + other.wall,
            self.cpu + other.cpu,
            max(self.peak_mib, other.peak_mib),
            self.written_mib + other.written_mib,
        )


def measured(words: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command and measure it. Raises RuntimeError with the end of its output where it fails. Linux only."""
    written = _written()
    start = time.perf_counter()
    with subprocess.Popen(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        peaks: list[int] = [0]
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks, over), daemon=True)
        watcher.start()
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit status {process.returncode}\n{said[-2000:]}")
    return Cost(
        wall,
        usage.ru_utime + usage.ru_stime,
        max(peaks[0], usage.ru_maxrss) / 1024,
        (_written() - written) / 2**20,
    )


def _written() -> int:
    """Bytes that this process and the children it has waited for have given to write calls."""
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["wchar"])


def _watch(pid: int, peaks: list[int], over: threading.Event) -> None:
    """Keep the largest sum of proportional sizes of the tree, in KiB."""
    while not over.wait(INTERVAL):
        peaks[0] = max(peaks[0], sum(map(_size, _tree(pid))))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:
            continue
        found += map(int, children)
    return found


def _size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
