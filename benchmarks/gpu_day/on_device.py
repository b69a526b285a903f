"""Corruptions in batches (`--corrupt-device`): parity with the CPU code, milliseconds, and where the device pays."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpu_day.clips import scene
from gpu_day.setting import Rows, Setting, Step


def steps(setting: Setting) -> list[Step]:
    """One step per corruption that has a batch implementation."""
    from robust_vos_bench.conditions import corruptions

    offered = [name for name, spec in corruptions().items() if spec.batch is not None]
    chosen = offered[:: max(1, len(offered) // 3)] if setting.small else offered
    return [Step("corruptions", name, compare, (name,), 5) for name in chosen]


def compare(setting: Setting, name: str) -> Rows:
    """Every severity on one batch of frames, as many as a run takes at a time; the medians of three turns."""
    import statistics
    import time

    import cv2

    from robust_vos_bench.conditions import Draw, find_corruption
    from robust_vos_bench.conditions.batch import batch_size, corrupt_batch

    cv2.setNumThreads(1)
    spec = find_corruption(name)
    assert spec.batch is not None
    size = 2 if setting.small else batch_size(setting.size)
    frames, _ = scene(setting.size, size, 3)
    rows: dict[str, Any] = {}
    for severity in (1,) if setting.small else range(1, spec.levels + 1):
        here, there, far, near = [], [], 0, 1.0
        for turn in range(2 if setting.small else 4):
            draws = [Draw(name, spec.version, severity, 0, "day", str(turn), t, size) for t in range(size)]
            start = time.perf_counter()
            ours = [spec.function(frame, float(severity), draw) for frame, draw in zip(frames, draws)]
            between = time.perf_counter()
            batch = list(corrupt_batch(spec.batch, frames, [float(severity)] * size, draws, setting.device))
            end = time.perf_counter()
            difference = np.abs(np.stack(ours).astype(int) - np.stack(batch))
            far, near = max(far, int(difference.max())), min(near, float((difference <= 1).mean()))
            if turn:  # the first one compiles and makes tables
                here.append(1e3 * (between - start) / size)
                there.append(1e3 * (end - between) / size)
        rows[str(severity)] = {
            "cpu_ms": statistics.median(here),
            "device_ms": statistics.median(there),
            "farthest": far,
            "within_one": near,
        }
    return {"severities": rows, "batch": size}


def table(found: dict[str, Rows]) -> list[str]:
    """Markdown: CPU / device milliseconds a frame by severity, parity, and whether the device pays."""
    most = max((len(r["severities"]) for r in found.values()), default=0)
    head = ["corruption", *(f"severity {s}: CPU / device, ms" for s in range(1, most + 1))]
    head += ["within one grey level", "farthest", "pays"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    pays = []
    for name, rows in found.items():
        own = list(rows["severities"].values())
        cells = [f"{r['cpu_ms']:.2f} / {r['device_ms']:.2f} = {r['cpu_ms'] / r['device_ms']:.2f}x" for r in own]
        cells += [""] * (most - len(own))
        faster = [r["cpu_ms"] > r["device_ms"] for r in own]
        near = min(r["within_one"] for r in own)
        mark = "yes" if all(faster) else "partly" if any(faster) else "no"
        if all(faster) and near >= 0.999:
            pays.append(name)
        bad = " **(asked: 99.9 %)**" if near < 0.999 else ""
        cells += [f"{100 * near:.3f} %{bad}", str(max(r["farthest"] for r in own)), mark]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return [*lines, "", f"Pays at every severity, and agrees: {', '.join(pays) or 'none'}."]
