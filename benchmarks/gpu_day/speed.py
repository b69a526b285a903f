"""Frames per second and peak memory of every model at 480p, with 1, 3 and 10 objects; 3 objects with AMP too."""

from __future__ import annotations

import statistics
import time
from typing import Any

from gpu_day.clips import video
from gpu_day.models_of_a_day import PUBLISHED_FPS
from gpu_day.setting import Rows, Setting, Step

WARM = 3
"""Frames that are not counted: the reference, first kernels, first memory."""
SECONDS = 8.0
"""A case ends after this time, however few frames it has."""


def steps(setting: Setting, names: list[str]) -> list[Step]:
    """One step per model."""
    return [Step("speed", name, measure, (name,), 15) for name in names]


def measure(setting: Setting, name: str) -> Rows:
    """All cases of one model; one that runs out of memory says so, and the others stand."""
    from robust_vos_bench.models import find_entry, load_adapter
    from robust_vos_bench.models.options import entry_options
    from robust_vos_bench.system.memory import ran_out, release

    frames = 5 if setting.small else 30
    cases: dict[str, Any] = {}
    has_amp = "amp" in entry_options(find_entry(name))
    for amp, counts in ((False, (1, 3, 10)), (True, (3,))):
        if amp and not has_amp:
            continue
        case: dict[str, Any]
        begun = time.perf_counter()
        adapter = load_adapter(name, "random", setting.device, **({"amp": amp} if has_amp else {}))
        loading = time.perf_counter() - begun
        for objects in counts:
            try:
                case = timed(setting, adapter, video(setting.size, frames, objects))
            except Exception as error:  # told in the row of this case
                if not ran_out(error):
                    raise
                case = {"error": "out of memory"}
                release()
            cases[f"{objects}{' amp' if amp else ''}"] = {**case, "loading": loading}
        del adapter
        release()
    return {"cases": cases}


def timed(setting: Setting, adapter: Any, clip: Any) -> dict[str, float]:
    """Median frames per second, the first frame's seconds, and MiB at the peak, of one clip."""
    import torch

    def wait() -> None:
        if setting.cuda:
            torch.cuda.synchronize(setting.device)

    if setting.cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(setting.device)
    seconds: list[float] = []
    masks = adapter.segment(clip)
    begun = time.perf_counter()
    while True:
        start = time.perf_counter()
        if next(masks, None) is None:
            break
        wait()
        seconds.append(time.perf_counter() - start)
        if time.perf_counter() - begun > SECONDS and len(seconds) > WARM + 2:
            masks.close()
            break
    counted = seconds[WARM:] or seconds
    third = max(1, len(counted) // 3)
    row = {
        "fps": 1 / statistics.median(counted),
        "fps_last_third": 1 / statistics.median(counted[-third:]),
        "first_seconds": seconds[0],
        "frames": len(seconds),
    }
    if setting.cuda:
        row["allocated_mib"] = torch.cuda.max_memory_allocated(setting.device) / 2**20
        row["reserved_mib"] = torch.cuda.max_memory_reserved(setting.device) / 2**20
    return row


def table(found: dict[str, Rows]) -> list[str]:
    """Markdown: frames per second and MiB (allocated / reserved) by number of objects, and the published figure."""
    keys = ("1", "3", "10", "3 amp")
    head = ["model", *(f"{k} object{'s' * (k != '1')}: fps (last third), MiB" for k in keys), "published fps", "of"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, rows in found.items():
        cells = [name]
        for key in keys:
            case = rows["cases"].get(key)
            if case is None:
                cells.append("no amp")
            elif "error" in case:
                cells.append(case["error"])
            else:
                held = f", {case['allocated_mib']:.0f} / {case['reserved_mib']:.0f}" if "allocated_mib" in case else ""
                cells.append(f"{case['fps']:.3g} ({case['fps_last_third']:.3g}){held}")
        fps, source = PUBLISHED_FPS.get(name, (None, "none with a source at hand"))
        lines.append("| " + " | ".join([*cells, "-" if fps is None else f"{fps:g}", source]) + " |")
    return lines


CONTEXT_GIB = 0.6
"""Beside what torch reserves: the driver's context and the libraries' code, an allowance."""


def gpu_gib(found: dict[str, Rows]) -> dict[str, float]:
    """GiB of a GPU that a process with the model needs at 480p and up to 10 objects, for `ModelCard.gpu_gib`."""
    sizes = {}
    for name, rows in found.items():
        held = [c["reserved_mib"] for k, c in rows["cases"].items() if "amp" not in k and "reserved_mib" in c]
        if held:
            sizes[name] = round(max(held) / 1024 + CONTEXT_GIB, 1)
    return sizes
