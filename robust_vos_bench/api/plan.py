"""What a run would do and what it would cost, as data: `rvos-bench run --dry-run` and `robust_vos_bench.plan`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robust_vos_bench.api.prepare import Prepared
from robust_vos_bench.runs.cost.estimate import Estimate, Workers, estimate
from robust_vos_bench.runs.cost.pace import duration
from robust_vos_bench.runs.reuse import find
from robust_vos_bench.runs.run import read_directory
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.cores import available_cores


@dataclass(frozen=True)
class RunPlan:
    """A run that has not been started."""

    prepared: Prepared
    done: int
    """Units that are done already, here or in other run directories."""
    reused: int
    """Those of them that would be taken over from other run directories."""
    to_do: int
    cost: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, in the order in which it is shown; what was not measured is None or absent."""
        plan, cost = self.prepared.plan, self.cost
        return {
            "output": str(self.prepared.folder),
            "models": [m.record.name for m in plan.models],
            "dataset": plan.dataset.name,
            "videos": len(plan.videos),
            "conditions": [c.label for c in plan.conditions],
            "preset": f"{plan.preset['name']} v{plan.preset['version']}",
            "cells": len(plan.models) * len(plan.conditions),
            "units": self.done + self.to_do,
            "done": self.done,
            "reused": self.reused,
            "to_do": self.to_do,
            "workers": list(self.prepared.devices),
            "producers": self.prepared.producers,
            "frames_to_segment": cost.frames,
            "device_hours": cost.device_hours,
            "wall_hours": cost.wall_hours,
            "bottleneck": cost.bottleneck,
            "disk_mib": cost.disk_mib,
            "scratch_mib": cost.scratch_mib,
            "memory_mib": cost.memory_mib,
            "gpu_memory_mib": cost.gpu_mib,
            "not_measured": list(cost.unmeasured),
            "measured": dict(cost.sources),
        }

    def lines(self) -> list[str]:
        """The same for a person, one fact per line; what is empty or unknown is left out."""
        return [
            line
            for name, value in self.to_dict().items()
            if value or name in ("done", "to_do")
            for line in _lines(name, value)
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def estimated(
    prepared: Prepared, overwrite: str, may_probe: bool = True, say: Callable[[str], None] | None = None
) -> RunPlan:
    """Look at what the run directory holds and estimate the rest. Raises UsageError where it holds another run."""
    store = RunStore(prepared.folder)
    state = read_directory(prepared.plan, store, overwrite)[1]
    pending, reused = state.pending, 0
    if overwrite == "missing":
        there = {
            (model, label, record.video)
            for source in find(prepared.plan, pending, prepared.folder)
            for (model, label), records in source.cells.items()
            for record in records
        }
        names = [model.record.name for model in prepared.plan.models]
        pending = [u for u in pending if (names[u.model], u.condition.label, u.video) not in there]
        reused = len(there)
    cost = estimate(prepared.plan, pending, store.folder, workers_of(prepared), may_probe, say)
    return RunPlan(prepared, state.done + reused, reused, len(pending), cost)


def workers_of(prepared: Prepared) -> Workers:
    """The processes of a run, as its estimate wants them."""
    return Workers(len(prepared.devices), prepared.producers, prepared.devices[0], available_cores())


LABELS = {
    "not_measured": "not counted",
    "device_hours": "models work for",
    "wall_hours": "takes about",
    "disk_mib": "disk",
    "scratch_mib": "scratch space",
    "memory_mib": "memory, at most",
    "gpu_memory_mib": "GPU memory",
    "measured": "timed",
}
"""Field of `to_dict` -> its words for a person, where they are others."""


def _lines(name: str, value: Any) -> list[str]:
    label = LABELS.get(name, name.replace("_", " "))
    if name in ("measured", "not_measured"):
        rows = [f"{k}: {v}" for k, v in value.items()] if isinstance(value, dict) else value
        return [f"{label if i == 0 else '':18} {row}" for i, row in enumerate(rows)]
    if name == "workers":
        counts = Counter(value)
        value = ", ".join(f"{count} on {device}" for device, count in counts.items())
    elif isinstance(value, list):
        value = ", ".join(map(str, value))
    elif name == "device_hours":
        value = f"{duration(3600 * value)}, all workers together"
    elif name.endswith("_hours"):
        value = duration(3600 * value)
    elif name.endswith("_mib"):
        shown = f"{value:,.0f} MiB" if value < 10_240 else f"{value / 1024:,.0f} GiB"
        value = shown if value >= 1 else "less than 1 MiB"
    elif isinstance(value, int):
        value = f"{value:,}"
    return [f"{label:18} {value}"]
