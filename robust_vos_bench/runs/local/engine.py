"""Carry out a plan on this machine: hand groups to lanes, write what comes back, survive what goes wrong."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import msgspec

from robust_vos_bench.runs.local.devices import check_devices
from robust_vos_bench.runs.local.workers import PRODUCER_DIED, WorkerProcess, start_worker
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.stop import Stop
from robust_vos_bench.runs.work.process import limit_threads
from robust_vos_bench.runs.work.worker import Worker, failed_record
from robust_vos_bench.runs.writer import ATTEMPTS, RecordWriter, Scored


@dataclass(frozen=True)
class LocalEngine:
    """The engine of one machine."""

    devices: Sequence[str] = ("cpu",)
    """One lane each; a single CPU lane without producers works in this process."""
    producers: int = 0
    """Processes a lane that make frames ahead of the model."""

    def ready(self) -> None:
        """Raise UsageError for a GPU that this machine does not have."""
        gpus = [device for device in self.devices if device != "cpu"]
        if gpus:
            check_devices(gpus)

    def __call__(self, plan: Plan, groups: Sequence[Group], write: RecordWriter) -> None:
        """Run `groups`."""
        if list(self.devices) == ["cpu"] and not self.producers:
            _inline(plan, groups, write.store.folder, write, write.stop)
        else:
            _WorkerPool(plan, groups, write.store.folder, self.producers, write).run(self.devices, write.stop)


def _inline(plan: Plan, groups: Sequence[Group], folder: Path, finish: Callable[[Scored], None], stop: Stop) -> None:
    limit_threads(1)
    worker = Worker(plan, "cpu", folder)
    try:
        for group in groups:
            for result in worker.run(group):
                finish(result)
                if stop.asked:
                    return
    finally:
        worker.close()


class _WorkerPool:
    """Hands groups to lanes and takes results back; a lane that dies is replaced and its units are tried again."""

    def __init__(
        self, plan: Plan, groups: Sequence[Group], folder: Path, producers: int, finish: Callable[[Scored], None]
    ) -> None:
        self.plan, self.folder, self.producers, self.finish = plan, folder, producers, finish
        self.queue = deque(groups)
        self.attempts: Counter[tuple[int, str, str]] = Counter()

    def run(self, devices: Sequence[str], stop: Stop) -> None:
        lanes = [start_worker(self.plan, device, self.folder, self.producers) for device in devices]
        try:
            while any(lane.groups for lane in lanes) or (self.queue and not stop.asked):
                for lane in lanes:
                    while self.queue and not stop.asked and lane.has_room:
                        lane.give(self.queue.popleft())
                ready = wait([lane.pipe for lane in lanes], timeout=0.5)
                for i, lane in enumerate(lanes):
                    if lane.pipe in ready or not lane.process.is_alive():
                        lanes[i] = self._listen(lane)
        except BaseException:
            for lane in lanes:
                lane.process.kill()
            raise
        finally:
            for lane in lanes:
                lane.stop()

    def _listen(self, lane: WorkerProcess) -> WorkerProcess:
        """Take what a lane has to say; returns it, or its replacement."""
        try:
            while lane.pipe.poll():
                record, frames = lane.pipe.recv()
                group = lane.groups[0]
                model = next(m for m in group.models if self.plan.models[m].record.name == record.model)
                tried = self.attempts[model, record.condition, record.video] + 1
                lane.reported(model)
                self.finish((msgspec.structs.replace(record, attempts=tried), frames))
            if lane.process.is_alive():
                return lane
        except (EOFError, OSError):
            pass
        return self._replace(lane)

    def _replace(self, lane: WorkerProcess) -> WorkerProcess:
        lane.stop(now=True)
        if lane.groups:
            group = lane.groups[0]
            model = group.models[0]
            key = (model, group.condition.label, group.video)
            self.attempts[key] += 1
            if self.attempts[key] >= ATTEMPTS:
                reason = f"{_cause(lane.process.exitcode)}, {ATTEMPTS} times"
                failed = failed_record(self.plan, model, group, reason, 1)
                lane.reported(model)
                self.finish((msgspec.structs.replace(failed, attempts=ATTEMPTS), ()))
        self.queue.extendleft(reversed(lane.groups))
        return start_worker(self.plan, lane.device, self.folder, self.producers)


def _cause(code: int | None) -> str:
    if code == PRODUCER_DIED:
        return "a process that makes its frames died (was it killed for its memory?)"
    return f"its process died (exit status {code}; -9 often means out of memory)"
