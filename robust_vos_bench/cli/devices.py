"""Which devices and processes a run gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from robust_vos_bench.analysis.words import plural
from robust_vos_bench.errors import UsageError


def lane_devices(device: str, workers: int | None, groups: int) -> list[str]:
    """One entry a worker process: every named GPU once, or `workers` CPU processes of one thread each."""
    names = [part.strip() for part in device.split(",") if part.strip()]
    if names == ["auto"]:
        names = _all_gpus() or ["cpu"]
    if names == ["cpu"]:
        from robust_vos_bench.runs.cost.estimate import cores

        return ["cpu"] * max(1, min(workers or cores(), groups))
    for name in names or [device]:
        if not name.startswith(("cuda", "mps")):
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
            raise UsageError(
                f"--device {name}: torch sees {plural(count, 'GPU')} here and not that one; use auto or cpu"
            )


def producers_for(devices: Sequence[str], producers: int | None, workers: int | None) -> int:
    """Producers a lane: a GPU gets its share of the cores, a CPU lane makes its own frames."""
    if producers is not None:
        return producers
    if all(device == "cpu" for device in devices):
        return 0
    cores = workers or max((os.cpu_count() or 2) - len(devices), 1)
    return max(cores // len(devices), 1)


def _all_gpus() -> list[str]:
    """GPUs that torch sees; asks the driver first so that machines without one do not import torch for it."""
    if not any(Path(p).exists() for p in ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")):
        return []
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
