"""What `run` shows while it works: bars on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from robust_vos_bench.analysis.words import plural
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.run import Listener, RunState

PLAIN_SECONDS = 10.0
"""Off a terminal, at most one progress line in this many seconds."""


@contextlib.contextmanager
def prints_on_stderr() -> Iterator[None]:
    """What models print in this process and in those it starts goes to stderr: stdout is the table's, or the JSON's."""
    try:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, AttributeError):  # one of the two is closed: there is nothing to keep apart
        yield
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class ProgressListener(Listener):
    """Cells, videos, frames a second and remaining time; failures as they happen."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(file=sys.stderr, highlight=False)
        self.quiet = quiet
        self.failures: list[UnitRecord] = []
        self.warned: set[tuple[str, str]] = set()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._frames = 0
        self._start = 0.0
        self._last = 0.0
        self._done = self._total = 0

    def started(self, plan: Plan, state: RunState, folder: Path) -> None:
        """Say what will be done, and start the bar."""
        self._start = self._last = time.monotonic()
        self._done, self._total = state.done, state.total
        if self.quiet:
            return
        corrupted = len(plan.conditions) - 1
        self._say(
            f"{plural(len(plan.models), 'model')} x {plan.dataset.name} ({plural(len(plan.videos), 'video')}) x "
            f"(clean + {plural(corrupted, 'corrupted condition')}) = {state.total} units -> {folder}"
        )
        if state.stale:
            self._say(f"{plural(state.stale, 'unit')} scored before data, corruption or code changed: to be run again")
        if state.done:
            self._say(f"resuming: {state.done} done, {len(state.pending)} to do")
        if self.console.is_terminal and state.pending:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=state.total, completed=state.done, rate="")
            self._bar.start()

    def unit(self, record: UnitRecord) -> None:
        """Count it; tell a failure or a new warning."""
        self._done += 1
        self._frames += record.frames
        if not record.ok:
            self.failures.append(record)
            self._say(f"! {record.model} · {record.condition} · {record.video}: {record.error}")
        for warning in record.warnings:
            if (record.model, warning) not in self.warned:
                self.warned.add((record.model, warning))
                self._say(f"~ {record.model} · {record.condition} · {record.video}: {warning}")
        rate = f"{self._frames / max(time.monotonic() - self._start, 1e-3):.1f} fps"
        if self._bar is not None and self._task is not None:
            what = f"{record.model} · {record.condition}"
            self._bar.update(self._task, completed=self._done, description=what[:40], rate=rate)
        elif not self.quiet and time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            self._say(f"{self._done}/{self._total} units, {rate}, now {record.model} · {record.condition}")

    def interrupted(self) -> None:
        """Ctrl-C once."""
        self._say("interrupted: finishing what is in flight (Ctrl-C again to stop now); the same command resumes")

    def finished(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)
