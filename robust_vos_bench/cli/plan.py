"""What `run --dry-run` says: what would be run, and what it will cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from robust_vos_bench.runs.cost.estimate import Workers
    from robust_vos_bench.runs.plan import Plan


def show_plan(
    plan: Plan, store: Any, devices: Sequence[str], crew: Workers, overwrite: str, as_json: bool, may_probe: bool
) -> None:
    """What would be run and what it will cost: cells, what is done already, frames, hours, disk, memory."""
    from robust_vos_bench.cli.progress import prints_on_stderr
    from robust_vos_bench.runs.cost.estimate import estimate
    from robust_vos_bench.runs.run import earlier, inspect

    earlier(plan, store)  # a folder that the run would refuse
    state = inspect(plan, store, overwrite)
    with prints_on_stderr():
        cost = estimate(plan, state.pending, store.folder, crew, may_probe, lambda text: click.echo(text, err=True))
    facts = {
        "output": str(store.folder),
        "models": [m.record.name for m in plan.models],
        "dataset": plan.dataset.name,
        "videos": len(plan.videos),
        "conditions": [c.label for c in plan.conditions],
        "preset": f"{plan.preset['name']} v{plan.preset['version']}",
        "cells": len(plan.models) * len(plan.conditions),
        "units": state.total,
        "done": state.done,
        "to_do": len(state.pending),
        "workers": list(devices),
        "producers": crew.producers,
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
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        if value or name in ("done", "to_do"):
            for line in _plan_lines(name, value):
                click.echo(line)


def _plan_lines(name: str, value: Any) -> list[str]:
    label = {"not_measured": "not counted"}.get(name, name.replace("_", " "))
    if name == "measured":
        return [f"{'measured' if i == 0 else '':18} {k}: {v}" for i, (k, v) in enumerate(value.items())]
    if name == "not_measured":
        return [f"{label if i == 0 else '':18} {v}" for i, v in enumerate(value)]
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    elif name.endswith("_hours"):
        value = f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"
    elif isinstance(value, float):
        value = f"{value:.0f}"
    return [f"{label:18} {value}"]
