"""Beyond one machine: the same groups as Ray tasks. Ray schedules, retries and survives lost nodes; we write.

One writer, the driver, appends every record to the run directory as it comes back, so resume, leaderboards and
reports cannot tell such a run from a local one.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from robust_vos_bench import __version__
from robust_vos_bench.errors import DataError, MissingExtraError, RvosError
from robust_vos_bench.runs.execute import ATTEMPTS, Stop
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.work import Result, Worker, failed_record

_workers: dict[str, Worker] = {}
"""Plan identity -> the worker of this process: Ray reuses processes, so models stay loaded between tasks."""


def run_group(plan: Plan, group: Group, device: str, folder: str) -> list[Result]:
    """The body of a task: all models of one corrupted video, in a process that keeps its models."""
    from robust_vos_bench.runs.lanes import limit_threads

    if plan.identity not in _workers:
        limit_threads(1)
        _workers.clear()
        _workers[plan.identity] = Worker(plan, device, Path(folder))
    return list(_workers[plan.identity].run(group))


def inspect_node(plan: Plan, version: str) -> str:
    """What is wrong with the node this runs on, or "": another version of the package, or other data."""
    if __version__ != version:
        return f"has rvos-bench {__version__}, the driver {version}"
    video = plan.videos[0]
    try:
        found = plan.dataset.fingerprint(video)
    except (RvosError, OSError) as error:
        return f"cannot read the data: {error}"
    return "" if found == plan.fingerprints[video] else f"has other data for video {video!r} under {plan.dataset.root}"


class RayEngine:
    """Carries out groups on a Ray cluster; called like `execute`.

    address: of a running cluster ("auto" finds it), None starts one on this machine. gpus: GPUs a task needs (a
    fraction lets tasks share one); 0 runs on CPUs.
    """

    def __init__(self, address: str | None = None, gpus: float = 0.0) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("--engine ray needs Ray: pip install 'rvos-bench[ray]'") from error
        self.ray: Any = ray
        self.gpus = gpus
        self._own = not ray.is_initialized()
        if self._own:
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            try:
                ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise DataError(f"no Ray cluster at {address!r}: {error}") from error

    def __call__(
        self,
        plan: Plan,
        groups: Sequence[Group],
        store: RunStore,
        devices: Sequence[str],
        on_unit: Callable[[UnitRecord], None],
        stop: Stop,
        fail_fast: bool = False,
        producers: int = 0,
    ) -> None:
        """Run `groups` wherever there is room; returns when all is done or `stop.asked` and nothing is in flight."""
        self._refuse_bad_nodes(plan)
        remote = self.ray.remote(
            num_cpus=1, num_gpus=self.gpus, max_retries=ATTEMPTS - 1, retry_exceptions=False, max_calls=0
        )(run_group)
        shared_plan = self.ray.put(plan)
        device = "cuda" if self.gpus else "cpu"
        queue = deque(groups)
        flying: dict[Any, Group] = {}
        try:
            while flying or (queue and not stop.asked):
                while queue and not stop.asked and len(flying) < 2 * self._slots():
                    group = queue.popleft()
                    flying[remote.remote(shared_plan, group, device, str(store.folder.resolve()))] = group
                done, _ = self.ray.wait(list(flying), num_returns=1, timeout=1.0)
                for task in done:
                    group = flying.pop(task)
                    for record, frames in self._results(task, plan, group, queue):
                        store.add(record, frames)
                        if not record.ok:
                            store.log(
                                "failed",
                                model=record.model,
                                condition=record.condition,
                                video=record.video,
                                error=record.error,
                            )
                            stop.asked = stop.asked or fail_fast
                        on_unit(record)
        except BaseException:
            for task in flying:
                self.ray.cancel(task, force=True)
            raise

    def close(self) -> None:
        """Leave the cluster, if this engine joined it."""
        if self._own:
            self.ray.shutdown()

    def _slots(self) -> int:
        found = self.ray.cluster_resources()
        if self.gpus:
            return max(1, int(found.get("GPU", 0) / self.gpus))
        return max(1, int(found.get("CPU", 1)))

    def _results(self, task: Any, plan: Plan, group: Group, queue: deque[Group]) -> list[Result]:
        """Results of a finished task; a lost group of several models is split so that only the culprit fails."""
        try:
            results: list[Result] = self.ray.get(task)
            return results
        except self.ray.exceptions.RayError as error:
            if len(group.models) > 1:
                queue.extendleft(replace(group, models=(m,)) for m in reversed(group.models))
                return []
            text = str(error).strip().splitlines()
            reason = f"lost {ATTEMPTS} times on the cluster ({type(error).__name__}: {text[0] if text else ''})"
            record = failed_record(plan, group.models[0], group, reason, 1)
            return [(msgspec.structs.replace(record, attempts=ATTEMPTS), ())]

    def _refuse_bad_nodes(self, plan: Plan) -> None:
        """Ask every node for its version and data before anything is spent."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [n for n in self.ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) >= 1]
        shared_plan = self.ray.put(plan)
        probes = {}
        for node in nodes:
            strategy = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
            probe = self.ray.remote(num_cpus=1, max_retries=1)(inspect_node).options(scheduling_strategy=strategy)
            probes[probe.remote(shared_plan, __version__)] = node
        problems = []
        for probe, node in probes.items():
            name = node.get("NodeManagerHostname") or node.get("NodeName") or platform.node()
            try:
                wrong = self.ray.get(probe)
            except self.ray.exceptions.RayError as error:
                wrong = f"could not be asked ({type(error).__name__})"
            if wrong:
                problems.append(f"node {name} ({node['NodeID'][:8]}) {wrong}")
        if problems:
            raise DataError("the cluster cannot be used as it is:\n  " + "\n  ".join(problems))
