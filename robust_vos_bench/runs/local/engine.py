"""Carry out a plan on this machine: hand groups to worker processes, write results, replace processes that die."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait

import msgspec

from robust_vos_bench.errors import DeviceLostError, RvosError
from robust_vos_bench.runs.activity import MemoryPulse
from robust_vos_bench.runs.local.devices import check_devices
from robust_vos_bench.runs.local.workers import GPU_RUINED, PRODUCER_DIED, WorkerProcess, start_worker
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.stop import Stop
from robust_vos_bench.runs.work.process import limit_threads
from robust_vos_bench.runs.work.worker import Worker, failed_record
from robust_vos_bench.runs.writer import ATTEMPTS, RecordWriter, Scored
from robust_vos_bench.system.libraries import require_opencv


@dataclass(frozen=True)
class LocalEngine:
    """The engine of one machine."""

    devices: Sequence[str] = ("cpu",)
    """One worker process each; a single CPU worker without producers runs in this process."""
    producers: int = 0
    """Processes per worker that make frames ahead of the model."""

    def ready(self) -> None:
        """Raise UsageError for a GPU that this machine does not have."""
        gpus = [device for device in self.devices if device != "cpu"]
        if gpus:
            check_devices(gpus)

    def __call__(self, plan: Plan, groups: Sequence[Group], write: RecordWriter) -> None:
        """Run `groups`."""
        if list(self.devices) == ["cpu"] and not self.producers:
            _inline(plan, groups, write)
        else:
            require_opencv()
            _WorkerPool(plan, groups, self.producers, write).run(self.devices, write.stop)


def _inline(plan: Plan, groups: Sequence[Group], write: RecordWriter) -> None:
    limit_threads(1)
    pulse = MemoryPulse()
    write.activity.pulses.append(pulse)
    worker = Worker(plan, "cpu", write.store.folder, pulse=pulse)
    try:
        for group in groups:
            for result in worker.run(group):
                write(result)
                if write.stop.asked:
                    return
    finally:
        worker.close()


class _WorkerPool:
    """Hands groups to workers and takes results back; a worker that dies is replaced and its units are tried again."""

    def __init__(self, plan: Plan, groups: Sequence[Group], producers: int, write: RecordWriter) -> None:
        self.plan, self.folder, self.producers, self.finish = plan, write.store.folder, producers, write
        self.activity = write.activity
        self.queue = deque(groups)
        self.attempts: Counter[tuple[int, str, str]] = Counter()

    def run(self, devices: Sequence[str], stop: Stop) -> None:
        self.activity.workers = len(devices)
        self.activity.doing = "starting worker processes"
        workers = [self._start(device) for device in devices]
        try:
            while any(worker.groups for worker in workers) or (self.queue and not stop.asked):
                for worker in workers:
                    while self.queue and not stop.asked and worker.has_room:
                        worker.give(self.queue.popleft())
                ready = wait([worker.pipe for worker in workers], timeout=0.5)
                for worker in list(workers):
                    if worker.pipe in ready or not worker.process.is_alive():
                        self._listen(worker, workers)
        except BaseException:
            for worker in workers:
                worker.process.kill()
            raise
        finally:
            self.activity.doing = "stopping worker processes"
            for worker in workers:
                worker.stop()

    def _start(self, device: str) -> WorkerProcess:
        worker = start_worker(self.plan, device, self.folder, self.producers)
        self.activity.pulses.append(worker.pulse)
        return worker

    def _listen(self, worker: WorkerProcess, workers: list[WorkerProcess]) -> None:
        """Take the results of a worker; where it died, a new one takes its place in `workers`."""
        try:
            while worker.pipe.poll():
                said = worker.pipe.recv()
                if isinstance(said, DeviceLostError) and len(workers) > 1:
                    self._retire(worker, workers)
                    return
                if isinstance(said, RvosError):
                    raise said
                record = said.record
                group = worker.groups[0]
                model = next(m for m in group.models if self.plan.models[m].record.name == record.model)
                tried = self.attempts[model, record.condition, record.video] + 1
                worker.reported(model)
                self.activity.doing = ""
                self.finish(said._replace(record=msgspec.structs.replace(record, attempts=tried)))
            if worker.process.is_alive():
                return
        except (EOFError, OSError):
            pass
        workers[workers.index(worker)] = self._replace(worker)

    def _retire(self, worker: WorkerProcess, workers: list[WorkerProcess]) -> None:
        """The GPU of a worker is gone: the others do its units."""
        worker.stop(now=True)
        workers.remove(worker)
        self.activity.pulses.remove(worker.pulse)
        self.activity.workers = len(workers)
        self.queue.extendleft(reversed(worker.groups))

    def _replace(self, worker: WorkerProcess) -> WorkerProcess:
        worker.stop(now=True)
        self.activity.pulses.remove(worker.pulse)
        if worker.groups and worker.process.exitcode != GPU_RUINED:
            group = worker.groups[0]
            model = group.models[0]
            key = (model, group.condition.label, group.video)
            self.attempts[key] += 1
            if self.attempts[key] >= ATTEMPTS:
                reason = f"{_cause(worker.process.exitcode)}, {ATTEMPTS} times"
                failed = failed_record(self.plan, model, group, reason, 1)
                worker.reported(model)
                self.finish(Scored(msgspec.structs.replace(failed, attempts=ATTEMPTS)))
        self.queue.extendleft(reversed(worker.groups))
        return self._start(worker.device)


def _cause(code: int | None) -> str:
    if code == PRODUCER_DIED:
        return "a process that makes its frames died (was it killed for its memory?)"
    return f"its process died (exit status {code}; -9 often means out of memory)"
