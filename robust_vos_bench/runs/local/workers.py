"""Worker processes of one machine: each is one process on one device that works through groups."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from robust_vos_bench.errors import DeviceLostError, RvosError, UsageError
from robust_vos_bench.runs.activity import MemoryPulse, Pulse
from robust_vos_bench.runs.local.devices import check_devices
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.work.process import (
    ONE_THREAD,
    leave_with_parent,
    limit_threads,
    no_ctrl_c,
    plain_main,
)
from robust_vos_bench.system.streams import make_forgiving
from robust_vos_bench.system.variables import environment

PRODUCER_DIED = 75
"""Exit status of a worker whose producer died."""
GPU_RUINED = 76
"""Exit status of a worker that has reported a unit after which it can use its GPU no more."""


@dataclass
class WorkerProcess:
    """The parent's end of one worker process."""

    process: BaseProcess
    pipe: Connection
    device: str
    depth: int
    """Groups it holds at a time: more than one where frames are made ahead."""
    scratch: Path
    """Its folder for clips; removed when it stops."""
    pulse: Pulse
    """What it does now."""
    groups: deque[Group] = field(default_factory=deque)
    """What it has not finished; of the first group, only the models that have not reported yet."""

    @property
    def has_room(self) -> bool:
        """Whether it may be given another group."""
        return len(self.groups) < self.depth and self.process.is_alive()

    def give(self, group: Group) -> None:
        """Hand it a group."""
        self.groups.append(group)
        with contextlib.suppress(OSError):  # the process died: the group returns to the queue when that is noticed
            self.pipe.send(group)

    def reported(self, model: int) -> None:
        """One model of the first group is done."""
        rest = tuple(m for m in self.groups[0].models if m != model)
        if rest:
            self.groups[0] = replace(self.groups[0], models=rest)
        else:
            self.groups.popleft()

    def stop(self, now: bool = False) -> None:
        """Ask it to stop after what it holds, or end it at once."""
        if now:
            self.process.kill()
        else:
            with contextlib.suppress(OSError):
                self.pipe.send(None)
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def start_worker(plan: Plan, device: str, folder: Path, producers: int = 0) -> WorkerProcess:
    """Start one worker process; each library in it uses one thread, so that processes times threads = cores."""
    context = multiprocessing.get_context("spawn")
    pulse = MemoryPulse(shared=True)
    ours, theirs = context.Pipe()
    scratch = Path(tempfile.mkdtemp(prefix="rvos-worker-"))
    with environment(ONE_THREAD), plain_main(), no_ctrl_c():
        process = context.Process(target=_work, args=(theirs, plan, device, folder, producers, scratch, pulse))
        process.daemon = not producers  # with producers it has children of its own, which a daemon may not have
        process.start()
    theirs.close()
    return WorkerProcess(process, ours, device, 3 if producers else 1, scratch, pulse)


def _work(pipe: Connection, plan: Plan, device: str, folder: Path, producers: int, scratch: Path, pulse: Pulse) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    leave_with_parent(scratch)
    make_forgiving()  # a model may print
    limit_threads(1)
    from robust_vos_bench.runs.work.worker import Worker

    if lost := device_lost(device):
        pipe.send(lost)
        return
    worker = Worker(plan, device, folder, producers, scratch, pulse)
    queue: deque[Group | None] = deque()
    with contextlib.suppress(EOFError, BrokenPipeError), _exit_without_producers():
        while True:
            while not queue or pipe.poll():
                group = pipe.recv()
                queue.append(group)
                if group is not None:
                    worker.announce(group)
            if (group := queue.popleft()) is None:
                break
            try:
                for result in worker.run(group):
                    pipe.send(result)
                    if worker.ruined:
                        os._exit(GPU_RUINED)  # nothing can be tidied up through such a context
            except RvosError as error:  # ends the run: the parent raises it
                pipe.send(error)
                break
    worker.close()


def device_lost(device: str) -> DeviceLostError | None:
    """The error where a new process does not find its GPU: the run would not have begun without it."""
    if device == "cpu":
        return None
    try:
        check_devices([device])
    except UsageError as error:
        return DeviceLostError(
            f"{device} was there when the run began and is gone ({error}). Finished units are kept; the same command "
            "goes on when it is back, with another --device at once"
        )
    return None


@contextlib.contextmanager
def _exit_without_producers() -> Iterator[None]:
    """Exit where a producer died (killed for its memory, for example): the parent starts both again."""
    try:
        yield
    except BrokenProcessPool:
        os._exit(PRODUCER_DIED)
