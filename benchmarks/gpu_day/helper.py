"""A process that does steps: one that hangs, dies or ruins its GPU context costs that step, and the day goes on."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from gpu_day.setting import Setting, Step
from gpu_day.store import Result


class Helper:
    """Starts the process when it is first needed, and again after it was lost."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._process: Any = None
        self._pipe: Connection | None = None

    def do(self, step: Step, limit: float) -> Result:
        """The result of a step, whatever happens to it; at most `limit` seconds."""
        begun = time.perf_counter()
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send(step)
            if not self._pipe.poll(max(limit, 0.0)):
                self.close()
                return Result(step.key, "failed", time.perf_counter() - begun, error=f"no answer after {limit:.0f} s")
            found, error, ruined = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(10)
            code = self._process.exitcode
            self.close()
            error = f"the process died (exit status {code}; -9 often means out of memory)"
            return Result(step.key, "failed", time.perf_counter() - begun, error=error)
        if ruined:
            self.close()
        status = "failed" if error else "ok"
        return Result(step.key, status, round(time.perf_counter() - begun, 2), found, error)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        # Not a daemon: steps start processes of their own.
        self._process = context.Process(target=_serve, args=(theirs, self.setting))
        self._process.start()
        theirs.close()
        self._pipe = ours

    def close(self) -> None:
        """End the process, and the runs that it started: they would keep the GPU busy."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process, self._pipe = None, None


def _serve(pipe: Connection, setting: Setting) -> None:
    from robust_vos_bench.runs.work.process import leave_with_parent

    os.setpgid(0, 0)  # a group of its own, that can be ended as a whole
    leave_with_parent()
    if setting.small:
        import torch

        torch.set_num_threads(1)
    while True:
        try:
            step: Step = pipe.recv()
        except (EOFError, OSError):
            return
        found: dict[str, Any] = {}
        error, ruined = "", False
        try:
            found = dict(step.work(setting, *step.arguments))
        except Exception as raised:  # a step may fail in any way; the day goes on
            last = traceback.extract_tb(raised.__traceback__)[-1]
            error = f"{type(raised).__name__}: {str(raised)[:500]} ({last.filename.rpartition('/')[2]}:{last.lineno})"
            ruined = "CUDA error" in error  # nothing in this process can use the GPU any more
        _release()
        pipe.send((found, error, ruined))


def _release() -> None:
    """Give back what the step held, also on the GPU."""
    from robust_vos_bench.system.memory import release

    try:
        release()
    except RuntimeError:  # of a GPU context that is ruined; told with the step
        return
