"""Real runs: `rvos-bench run` as a process of its own, its records, its trace, and what the driver says meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_day.clips import data_words
from gpu_day.setting import Rows, Setting, Step

RVOS = [sys.executable, "-m", "robust_vos_bench.cli"]
BUSY = ("aot.r50_l", "xmem", "sam2.tiny")
CORRUPTIONS = "gaussian_noise,motion_blur,fog,jpeg_compression"


@dataclass
class Done:
    """A run that ended."""

    code: int
    seconds: float
    stderr: str
    units: list[dict[str, Any]] = field(default_factory=list)
    """Per unit: model, condition, video, status, attempts, error, fps, peak_gpu_mib, jf."""


def words(setting: Setting, model: str, out: Path, device: str = "", videos: int = 3, frames: int = 40) -> list[str]:
    """Arguments of a run of untrained networks on the clips of the day."""
    if setting.small:
        videos, frames = 2, 3
    data = data_words(setting, videos, frames)
    checkpoint = ["--checkpoint", "random"] if _needs_weights(model) else []
    place = ["--device", device or setting.device]
    if not setting.cuda and not device:
        place += ["--workers", "1"]
    return ["run", "--model", model, *checkpoint, *data, *place, "--output", str(out), "--quiet", "--offline"]


def _needs_weights(model: str) -> bool:
    from robust_vos_bench.models import find_entry

    return any(".py" not in name and find_entry(name).card.weights for name in model.split(","))


def start(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The command as a process; no run takes units over from another."""
    more = {"RVOS_BENCH_REUSE": "0", "RVOS_BENCH_OFFLINE": "1", **(environment or {})}
    return subprocess.Popen(
        [*RVOS, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **more}
    )


def finish(process: subprocess.Popen[str], begun: float, out: Path | None = None) -> Done:
    """Wait for it, and read what it left."""
    try:
        _, stderr = process.communicate(timeout=400)
    except subprocess.TimeoutExpired:
        process.kill()
        _, stderr = process.communicate()
    done = Done(process.returncode, time.perf_counter() - begun, stderr[-1500:])
    if out is not None:
        done.units = read_units(out)
    return done


def run(
    arguments: Sequence[str], out: Path | None = None, fresh: bool = True, environment: Mapping[str, str] | None = None
) -> Done:
    """A whole run."""
    if out is not None and fresh:
        shutil.rmtree(out, ignore_errors=True)
    begun = time.perf_counter()
    return finish(start(arguments, environment), begun, out)


def read_units(out: Path) -> list[dict[str, Any]]:
    """Newest record of every unit of a run directory, as it lies on disk."""
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for path in sorted((out / "cells").glob("*/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            newest[record["model"], record["condition"], record["video"]] = record
    return list(newest.values())


def scores(units: list[dict[str, Any]], model: str = "") -> dict[str, Any]:
    """J and F of every object by unit, to be compared between runs."""
    return {
        f"{u['condition']} {u['video']}": [(o["j_mean"], o["f_mean"]) for o in u.get("objects", [])]
        for u in units
        if u["status"] == "ok" and model in ("", u["model"])
    }


class Watch:
    """What nvidia-smi says of the device, twice a second, within the block."""

    def __init__(self, setting: Setting) -> None:
        index = setting.device.partition(":")[2] or "0"
        self.command = [
            "nvidia-smi", "-i", index, "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"
        ]  # fmt: skip
        self.on = setting.cuda and shutil.which("nvidia-smi") is not None
        self.samples: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            said = subprocess.run(self.command, capture_output=True, text=True, check=False).stdout
            parts = said.strip().split(",")
            if len(parts) == 2 and all(p.strip().isdigit() for p in parts):
                self.samples.append((float(parts[0]), float(parts[1])))

    def __enter__(self) -> Watch:
        if self.on:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self.on:
            self._thread.join()

    def found(self) -> dict[str, float]:
        """Mean utilisation in percent of the samples from the first busy to the last, and the most MiB in use."""
        busy = [i for i, (share, _) in enumerate(self.samples) if share > 0]
        if not busy:
            return {}
        during = [share for share, _ in self.samples[busy[0] : busy[-1] + 1]]
        return {"utilisation": sum(during) / len(during), "used_mib": max(used for _, used in self.samples)}


def steps(setting: Setting) -> list[Step]:
    """A run of each of three models, then other numbers of producers, then corruptions made on the device."""
    if setting.small:
        return [Step("product", "aot.t producers=1", busy, ("aot.t", 1, False), 20)]
    first = [Step("product", f"{name} default", busy, (name, None, False), 60) for name in BUSY]
    more = [Step("product", f"aot.r50_l producers={n}", busy, ("aot.r50_l", n, False), 60) for n in (1, 4)]
    return [*first, Step("product", "aot.r50_l corrupt-device", busy, ("aot.r50_l", None, True), 60), *more]


def busy(setting: Setting, name: str, producers: int | None, there: bool) -> Rows:
    """Where the time of a run goes."""
    from robust_vos_bench.runs.trace import shares

    out = setting.folder / "runs" / f"busy-{name}-{producers}-{there}"
    chosen = "gaussian_noise" if setting.small else CORRUPTIONS
    arguments = [*words(setting, name, out), "--corruption", chosen, "--severity", "3", "--profile"]
    arguments += ["--producers", str(producers)] if producers is not None else []
    arguments += ["--corrupt-device", setting.device] if there else []
    with Watch(setting) as watch:
        done = run(arguments, out)
    if done.code != 0:
        raise RuntimeError(f"exit code {done.code}: {done.stderr[-300:]}")
    events = json.loads((out / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    found = shares(events)
    if found is None:
        raise RuntimeError("the trace holds no unit")
    frames = sum(u["frames"] for u in done.units)
    return {
        "shares": {"model": found.model, "frames": found.frames, "score": found.score, "idle": found.idle},
        "fps_model": frames / max(sum(u["seconds_model"] for u in done.units), 1e-9),
        "seconds": done.seconds,
        "frames": frames,
        "peak_gpu_mib": max(u.get("peak_gpu_mib", 0.0) for u in done.units),
        **watch.found(),
        "command": "rvos-bench " + " ".join(arguments).replace(str(setting.folder), "DIR"),
    }


def table(found: dict[str, Rows]) -> list[str]:
    """Markdown."""
    lines = [
        "| run | device busy | waits for frames | for scoring | between units | model fps | nvidia-smi: utilisation | "
        "MiB used | torch peak MiB | seconds for frames |",
        "|---" * 10 + "|",
    ]
    for name, r in found.items():
        s = r["shares"]
        smi = f"{r['utilisation']:.0f} % | {r['used_mib']:.0f}" if "utilisation" in r else "not seen | not seen"
        lines.append(
            f"| {name} | {100 * s['model']:.1f} % | {100 * s['frames']:.1f} % | {100 * s['score']:.1f} % | "
            f"{100 * s['idle']:.1f} % | {r['fps_model']:.3g} | {smi} | {r['peak_gpu_mib']:.0f} | "
            f"{r['seconds']:.0f} for {r['frames']} |"
        )
    return lines
