"""Peak memory of this process and of its GPU while one unit runs."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def reset_peaks() -> None:
    """Start a new measurement (process peak on Linux only; GPU where torch is in use)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peaks() -> tuple[float, float]:
    """(resident, GPU) peak in MiB since `reset_peaks`; 0 where it cannot be known."""
    resident = 0.0
    with contextlib.suppress(OSError):
        match = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        resident = int(match.group(1)) / 1024 if match else 0.0
    torch = sys.modules.get("torch")
    gpu = 0.0
    if torch is not None and torch.cuda.is_available():
        gpu = torch.cuda.max_memory_allocated() / 2**20
    return resident, gpu
