"""Peak memory of this process and of its GPU while one unit runs, and what to do when it runs out."""

from __future__ import annotations

import contextlib
import gc
import re
import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CPU_ALLOCATOR = "DefaultCPUAllocator: "


def reset_peaks(device: str = "cpu") -> None:
    """Start a new measurement (process peak on Linux only; GPU where `device` is one)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if (cuda := _cuda(device)) is not None:
        cuda.reset_peak_memory_stats(device)


def peaks(device: str = "cpu") -> tuple[float, float]:
    """(resident, GPU) peak in MiB since `reset_peaks`; 0 where it cannot be known."""
    peak = 0.0
    with contextlib.suppress(OSError):
        match = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        peak = int(match.group(1)) / 1024 if match else 0.0
    cuda = _cuda(device)
    return peak, cuda.max_memory_allocated(device) / 2**20 if cuda is not None else 0.0


def resident() -> float:
    """MiB that this process holds now; 0 where it cannot be known."""
    with contextlib.suppress(OSError):
        match = re.search(r"VmRSS:\s+(\d+) kB", _STATUS.read_text())
        return int(match.group(1)) / 1024 if match else 0.0
    return 0.0


def _cuda(device: str) -> Any:
    """torch.cuda where torch is in use and `device` is one of its GPUs."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and device.startswith("cuda") and torch.cuda.is_available() else None


def ran_out(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that memory ran out: MemoryError, or what torch raises (on a CPU a
    RuntimeError of its allocator)."""
    torch = sys.modules.get("torch")
    kinds: tuple[type[BaseException], ...] = (MemoryError,)
    if torch is not None:
        kinds += (torch.cuda.OutOfMemoryError,)
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kinds) or (isinstance(seen, RuntimeError) and _CPU_ALLOCATOR in str(seen)):
            return True
        seen = seen.__cause__
    return False


def explain(error: BaseException, device: str) -> str:
    """The error of a unit that ran out of memory: where, how much was in use, and what to do."""
    peak, gpu = peaks(device)
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if device.startswith("cuda"):
        cuda = _cuda(device)
        total = cuda.get_device_properties(device).total_memory / 2**30 if cuda is not None else 0.0
        used = f"{gpu / 1024:.1f} GiB at the peak" + (f" of {total:.1f} GiB" if total else "")
        advice = "fewer models at a time, a smaller size or another device may fit"
    else:
        used, advice = f"{peak / 1024:.1f} GiB at the peak", "fewer --workers may fit"
    return f"out of memory on {device} ({used}); {advice}; the same command tries it again: {first[:300]}"


def release() -> None:
    """Give back what nothing holds any more, on the GPU as well."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
