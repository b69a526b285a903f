"""Carry out a plan on this machine: hand groups to lanes, write what comes back, survive what goes wrong."""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from robust_vos_bench.runs.lanes import Lane, limit_threads, start_lane
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.work import Result, Worker, failed_record

ATTEMPTS = 3
"""A unit whose process dies this often is a failed unit."""


@dataclass
class Stop:
    """Set by the first Ctrl-C: finish what is in flight, then leave."""

    asked: bool = False


@contextmanager
def ctrl_c(on_first: Callable[[], None]) -> Iterator[Stop]:
    """Within this block the first SIGINT sets `asked`, the second raises KeyboardInterrupt."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        on_first()

    try:
        before: Any = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not in the main thread: a notebook's own business
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def execute(
    plan: Plan,
    groups: Sequence[Group],
    store: RunStore,
    devices: Sequence[str],
    on_unit: Callable[[UnitRecord], None],
    stop: Stop,
    fail_fast: bool = False,
    producers: int = 0,
) -> None:
    """Run `groups`; every finished unit is on disk before `on_unit` hears of it.

    devices: one lane each; a single CPU lane without producers works in this process. producers: processes a lane
    that make frames ahead. Returns when all is done or `stop.asked`.
    """

    def finish(result: Result) -> None:
        record, frames = result
        store.add(record, frames)
        if not record.ok:
            store.log("failed", model=record.model, condition=record.condition, video=record.video, error=record.error)
            stop.asked = stop.asked or fail_fast
        on_unit(record)

    if list(devices) == ["cpu"] and not producers:
        _inline(plan, groups, store.folder, finish, stop)
    else:
        _Lanes(plan, groups, store.folder, producers, finish).run(devices, stop)


def _inline(plan: Plan, groups: Sequence[Group], folder: Path, finish: Callable[[Result], None], stop: Stop) -> None:
    limit_threads(1)
    worker = Worker(plan, "cpu", folder)
    for group in groups:
        for result in worker.run(group):
            finish(result)
            if stop.asked:
                worker.close()
                return
    worker.close()


class _Lanes:
    """Hands groups to lanes and takes results back; a lane that dies is replaced and its units are tried again."""

    def __init__(
        self, plan: Plan, groups: Sequence[Group], folder: Path, producers: int, finish: Callable[[Result], None]
    ) -> None:
        self.plan, self.folder, self.producers, self.finish = plan, folder, producers, finish
        self.queue = deque(groups)
        self.attempts: Counter[tuple[int, str, str]] = Counter()

    def run(self, devices: Sequence[str], stop: Stop) -> None:
        lanes = [start_lane(self.plan, device, self.folder, self.producers) for device in devices]
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

    def _listen(self, lane: Lane) -> Lane:
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

    def _replace(self, lane: Lane) -> Lane:
        lane.stop(now=True)
        if lane.groups:
            group = lane.groups[0]
            model = group.models[0]
            key = (model, group.condition.label, group.video)
            self.attempts[key] += 1
            if self.attempts[key] >= ATTEMPTS:
                code = lane.process.exitcode
                reason = f"its process died {ATTEMPTS} times (exit status {code}; -9 often means out of memory)"
                failed = failed_record(self.plan, model, group, reason, 1)
                lane.reported(model)
                self.finish((msgspec.structs.replace(failed, attempts=ATTEMPTS), ()))
        self.queue.extendleft(reversed(lane.groups))
        return start_lane(self.plan, lane.device, self.folder, self.producers)
