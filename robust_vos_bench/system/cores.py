"""How many cores this process may use: its affinity, and the CPU limit of the container it runs in."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores that this process may use, at least 1.

    The smallest of: cores of the machine, the affinity of the process (`taskset`, batch systems) and, on Linux, the
    CPU quota of its control group (Docker `--cpus`, Kubernetes limits), rounded up.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _quota(_CGROUP)
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def _quota(root: Path) -> float | None:
    """CPUs that the control group below `root` grants, None where it sets no limit or there is none."""
    for quota, period in (_version_two(root), _version_one(root)):
        with contextlib.suppress(ValueError, ZeroDivisionError):
            granted = float(quota) / float(period)
            if granted > 0:
                return granted
    return None


def _version_two(root: Path) -> tuple[str, str]:
    words = _read(root / "cpu.max").split()  # "200000 100000", or "max 100000" where nothing is limited
    return (words[0], words[1]) if len(words) == 2 else ("", "")


def _version_one(root: Path) -> tuple[str, str]:
    return _read(root / "cpu" / "cpu.cfs_quota_us"), _read(root / "cpu" / "cpu.cfs_period_us")


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""
