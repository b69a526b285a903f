"""What a run asks of the nodes of a cluster before anything is spent, and what a task on them needs."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import RvosError, UsageError
from robust_vos_bench.models import find_entry
from robust_vos_bench.models.gpu_memory import gpu_gib as gpu_gib_of
from robust_vos_bench.runs.plan import ModelSpec, Plan
from robust_vos_bench.version import __version__

SHARING = 8
"""At most this many tasks share a GPU."""
USABLE = 0.9
"""Share of a GPU's memory that models may plan with; the rest is CUDA's own."""


def inspect_node(plan: Plan, version: str, folder: str) -> dict[str, Any]:
    """Facts of the node this runs on. "wrong": what rules it out, or ""; "data": why it cannot read the data, or "";
    "gpu_gib": memory of its smallest visible GPU, or None.

    folder: the run directory, which the node must see where it is to write into it (masks, traces).
    """
    wrong, data = "", ""
    if __version__ != version:
        return {"wrong": f"has rvos-bench {__version__}, the driver {version}", "data": "", "gpu_gib": None}
    video = plan.videos[0]
    try:
        if plan.dataset.fingerprint_or_damage(video) != plan.fingerprints[video]:
            plan.dataset.video(video)  # raises where it is not there at all
            wrong = f"has other data for video {video!r} under {plan.dataset.root} (--ship-data always sends ours)"
    except (RvosError, OSError) as error:
        data = f"cannot read the data: {error}"
    if (plan.save_masks or plan.profile) and not (Path(folder) / "run.json").is_file():
        flag = "--save-masks" if plan.save_masks else "--profile"
        wrong = f"does not see the run directory {folder}, which {flag} needs; put --output on a shared disk"
    return {"wrong": wrong, "data": data, "gpu_gib": _gpu_gib()}


def _gpu_gib() -> float | None:
    if "torch" not in sys.modules and not Path("/dev/nvidia0").exists():
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    count = torch.cuda.device_count()
    return min((torch.cuda.get_device_properties(i).total_memory / 2**30 for i in range(count)), default=None)


@dataclass(frozen=True)
class Need:
    """Resources of one task."""

    cpus: int
    gpus: float
    producers: int
    """Processes of the task that make frames ahead; `cpus` counts them."""


def task_need(
    plan: Plan, nodes: Sequence[Mapping[str, float]], gpu_gib: float | None, gpus: float | None, producers: int | None
) -> Need:
    """What each task asks for.

    nodes: resources of every node ("CPU", "GPU"). gpu_gib: memory of the smallest GPU, where known. gpus, producers:
    as the user wants them; None chooses: GPUs where the cluster has some, in the share that the models' cards allow,
    and the CPUs that fall to such a task for making its frames. Raises UsageError where no node could run a task.
    """
    if gpus is None:
        gpus = gpu_share(plan.models, gpu_gib) if any(node.get("GPU", 0) for node in nodes) else 0.0
    able = [node for node in nodes if node.get("GPU", 0) >= gpus and node.get("CPU", 0) >= 1]
    if not able:
        have = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes) or "none"
        raise UsageError(f"no node has a CPU and the {gpus:g} GPUs that a task needs (nodes: {have}); see --ray-gpus")
    if producers is None:
        producers = 0
        if gpus:
            producers = int(min(node["CPU"] / math.floor(node["GPU"] / gpus + 1e-6) for node in able)) - 1
    need = Need(1 + max(producers, 0), gpus, max(producers, 0))
    if all(node.get("CPU", 0) < need.cpus for node in able):
        raise UsageError(f"no node has {need.cpus} CPUs for a task with --producers {need.producers}")
    return need


def gpu_share(models: Sequence[ModelSpec], gpu_gib: float | None) -> float:
    """The part of a GPU that a task with these models needs: 1 / n where n such tasks fit by what was measured (see
    `models.gpu_memory`), a whole one where a model was not or the GPU's size is not known."""
    known = [gpu_gib_of(find_entry(model.name).card) for model in models]
    needed = sum(gib for gib in known if gib is not None)
    if gpu_gib is None or needed <= 0 or any(gib is None for gib in known):
        return 1.0
    fit = min(max(int(USABLE * gpu_gib / needed), 1), SHARING)
    return math.floor(1e4 / fit) / 1e4  # Ray counts in ten-thousandths


def slots(need: Need, node: Mapping[str, float]) -> int:
    """How many tasks run at a time on a node with these resources."""
    fit = node.get("CPU", 0) / need.cpus
    if need.gpus:
        fit = min(fit, node.get("GPU", 0) / need.gpus + 1e-6)
    return math.floor(fit)
