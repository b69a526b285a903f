"""Which devices and processes a run gets."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import UsageError
from robust_vos_bench.system.cores import available_cores

_DEVICE = re.compile(r"(cuda|mps)(:[0-9]+)?")


def worker_devices(device: str, workers: int | None, groups: int) -> list[str]:
    """One entry per worker process: every named GPU once, or `workers` CPU processes of one thread each.

    device: "auto", "cpu", "cuda", "cuda:1", "mps", or several by comma. workers: None takes one per available core.
    groups: how many clips there are to work on; more workers than that would have nothing to do.
    Raises UsageError for any other word, and for GPUs and "cpu" in one run.
    """
    names = [part.strip() for part in device.split(",") if part.strip()]
    if names == ["auto"]:
        names = _all_gpus() or ["cpu"]
    if names == ["cpu"]:
        return ["cpu"] * max(1, min(workers or available_cores(), groups))
    for name in names or [device]:
        if len(names) > 1 and name in ("cpu", "auto"):
            raise UsageError(
                f"--device {device}: {name!r} stands alone. A run works on GPUs or on the cores of the CPU, not on "
                f"both; leave {name!r} out"
            )
        if not _DEVICE.fullmatch(name):
            raise UsageError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:0 or cuda:0,cuda:1")
    return names


def check_devices(names: Sequence[str]) -> None:
    """Raise UsageError for a GPU that this machine does not have."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for name in names:
        index = name.partition(":")[2] or "0"
        if name.startswith("mps"):
            there = torch.backends.mps.is_available()
        else:
            there = index.isdecimal() and int(index) < count
        if not there:
            raise UsageError(f"--device {name}: {_seen(torch, count)} and not that one; use auto or cpu")


def _seen(torch: Any, count: int) -> str:
    """What torch sees of GPUs, and why it may see none."""
    seen = f"torch sees {count} GPU(s) here"
    if count:
        return f"{seen} (cuda:0{f' to cuda:{count - 1}' if count > 1 else ''})"
    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        return f"{seen} (torch {torch.__version__} is built without CUDA)"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"{seen} ({'the driver shows none' if hidden is None else f'CUDA_VISIBLE_DEVICES is {hidden!r}'})"


def producers_for(devices: Sequence[str], producers: int | None, workers: int | None) -> int:
    """Producers per worker: a GPU gets its share of the cores, a CPU worker makes its own frames."""
    if producers is not None:
        return producers
    if all(device == "cpu" for device in devices):
        return 0
    cores = workers or max(available_cores() - len(devices), 1)
    return max(cores // len(devices), 1)


def _all_gpus() -> list[str]:
    """GPUs that torch sees; asks the driver first so that machines without one do not import torch for it."""
    if not any(Path(p).exists() for p in ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")):
        return []
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
