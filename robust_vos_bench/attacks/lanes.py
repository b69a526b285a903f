"""Jobs in processes of this machine: one per device, a single one is this process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from robust_vos_bench.attacks.jobs import carried_out, forget_models
from robust_vos_bench.attacks.plan import AttackPlan, Job, Made
from robust_vos_bench.corrupted.counts import FrameCounts
from robust_vos_bench.errors import RvosError
from robust_vos_bench.runs.work.process import ONE_THREAD, leave_with_parent, limit_threads, plain_main
from robust_vos_bench.system.process_settings import ProcessSettings
from robust_vos_bench.system.variables import environment


@dataclass(frozen=True)
class Lanes:
    """The processes of one machine, and what they do."""

    devices: Sequence[str] = ("cpu",)
    counts: FrameCounts | None = None
    """Is told how many threats of each job are done."""

    def __call__(self, plan: AttackPlan) -> Iterator[Made]:
        """Carry out the jobs of a plan; what becomes of each video and threat, job by job as they end."""
        jobs = plan.jobs
        if len(self.devices) > 1 and len(jobs) > 1:
            yield from self._beside(plan, jobs)
            return
        outside = ProcessSettings.taken()
        try:
            for place, job in enumerate(jobs):
                yield from _noted(plan, job, self.devices[0] if self.devices else "cpu", self.counts, place)
        finally:
            outside.restore()
            forget_models()

    def _beside(self, plan: AttackPlan, jobs: Sequence[Job]) -> Iterator[Made]:
        context = multiprocessing.get_context("spawn")
        queue = context.SimpleQueue()
        for device in self.devices:
            queue.put(device)
        count = min(len(self.devices), len(jobs))
        with (
            environment(ONE_THREAD),
            plain_main(),
            ProcessPoolExecutor(
                count, mp_context=context, initializer=_begin, initargs=(plan, queue, self.counts)
            ) as pool,
        ):
            waiting = iter(enumerate(jobs))
            running: set[Future[list[Made]]] = set()
            try:
                while True:
                    while len(running) < count and (following := next(waiting, None)) is not None:
                        running.add(pool.submit(_work, *following))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from future.result()
            except BrokenProcessPool as error:
                raise RvosError(
                    "a process that attacks died: killed, or out of memory. What is stored stays; the same command "
                    "goes on, with fewer --workers or a smaller --window where memory was short"
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


_plan: AttackPlan | None = None
_device = "cpu"
_counts: FrameCounts | None = None


def _begin(plan: AttackPlan, devices: Any, counts: FrameCounts | None) -> None:
    global _plan, _device, _counts
    _plan, _counts = plan, counts
    _device = devices.get()
    leave_with_parent()
    limit_threads(1)


def _work(place: int, job: Job) -> list[Made]:
    if _plan is None:
        raise RuntimeError("a worker was not initialised")
    return list(_noted(_plan, job, _device, _counts, place))


def _noted(plan: AttackPlan, job: Job, device: str, counts: FrameCounts | None, place: int) -> Iterator[Made]:
    """A job, with one thread: one thread repeats the same bits."""
    limit_threads(1)
    for count, made in enumerate(carried_out(plan, job, device), 1):
        if counts is not None:
            counts.note(place, count)
        yield made
