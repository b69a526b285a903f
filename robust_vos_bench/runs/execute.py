"""Carry out a plan on this machine: hand groups to lanes, write what comes back, survive what goes wrong."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
) -> None:
    """Run `groups`; every finished unit is on disk before `on_unit` hears of it.

    devices: one lane each; a single CPU lane works in this process. Returns when all is done or `stop.asked`.
    """

    def finish(result: Result) -> None:
        record, frames = result
        store.add(record, frames)
        if not record.ok:
            store.log("failed", model=record.model, condition=record.condition, video=record.video, error=record.error)
            stop.asked = stop.asked or fail_fast
        on_unit(record)

    if list(devices) == ["cpu"]:
        _inline(plan, groups, store.folder, finish, stop)
    else:
        _lanes(plan, groups, store.folder, devices, finish, stop)


def _inline(plan: Plan, groups: Sequence[Group], folder: Path, finish: Callable[[Result], None], stop: Stop) -> None:
    limit_threads(1)
    worker = Worker(plan, "cpu", folder)
    for group in groups:
        for result in worker.run(group):
            finish(result)
            if stop.asked:
                return


def _lanes(
    plan: Plan,
    groups: Sequence[Group],
    folder: Path,
    devices: Sequence[str],
    finish: Callable[[Result], None],
    stop: Stop,
) -> None:
    queue = deque(groups)
    attempts: dict[tuple[int, str, str], int] = {}
    lanes = [start_lane(plan, device, folder, 1) for device in devices]
    try:
        while any(lane.group for lane in lanes) or (queue and not stop.asked):
            for lane in lanes:
                if lane.group is None and queue and not stop.asked and lane.process.is_alive():
                    lane.give(queue.popleft())
            ready = wait([lane.pipe for lane in lanes], timeout=0.5)
            for i, lane in enumerate(lanes):
                if lane.pipe in ready or not lane.process.is_alive():
                    lanes[i] = _listen(lane, plan, folder, queue, attempts, finish)
    except BaseException:
        for lane in lanes:
            lane.process.kill()
        raise
    finally:
        for lane in lanes:
            lane.stop()


def _listen(
    lane: Lane,
    plan: Plan,
    folder: Path,
    queue: deque[Group],
    attempts: dict[tuple[int, str, str], int],
    finish: Callable[[Result], None],
) -> Lane:
    """Take what a lane has to say; a dead one is replaced and its unfinished units go back to the queue."""
    try:
        while lane.pipe.poll():
            record, frames = lane.pipe.recv()
            model = next(m for m in lane.waiting if plan.models[m].record.name == record.model)
            lane.waiting = tuple(m for m in lane.waiting if m != model)
            tried = attempts.get((model, record.condition, record.video), 0) + 1
            if not lane.waiting:
                lane.group = None
            finish((msgspec.structs.replace(record, attempts=tried), frames))
        if lane.process.is_alive():
            return lane
    except (EOFError, OSError):
        pass
    lane.stop(now=True)
    if lane.group is not None:
        code = lane.process.exitcode
        model, group = lane.waiting[0], lane.group
        key = (model, group.condition.label, group.video)
        attempts[key] = attempts.get(key, 0) + 1
        rest = lane.waiting
        if attempts[key] >= ATTEMPTS:
            reason = f"its process died {ATTEMPTS} times (exit status {code}; -9 often means out of memory)"
            failed = failed_record(plan, model, group, reason, 1)
            finish((msgspec.structs.replace(failed, attempts=ATTEMPTS), ()))
            rest = rest[1:]
        if rest:
            queue.appendleft(replace(group, models=rest))
    return start_lane(plan, lane.device, folder, 1)
