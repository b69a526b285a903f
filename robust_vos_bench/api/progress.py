"""What long work shows while it goes on: bars on a terminal and in a notebook, plain lines elsewhere; on stderr."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from robust_vos_bench.analysis.words import plural
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.run import Listener
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.system.bars import PLAIN_SECONDS


def shown(folder: Path) -> Path:
    """A folder as a person would type it here: relative where it lies below the working directory."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) and folder != here else folder


class ProgressListener(Listener):
    """Cells, videos, frames per second and remaining time; failures as they happen."""

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

    def notice(self, text: str) -> None:
        """Said also where no progress is shown."""
        self._say(text)

    def started(self, plan: Plan, state: RunState, folder: Path) -> None:
        """Say what will be done, and start the bar."""
        self._start = self._last = time.monotonic()
        self._done, self._total = state.done, state.total
        if self.quiet:
            return
        corrupted = len(plan.conditions) - 1
        self._say(
            f"{plural(len(plan.models), 'model')} x {plan.dataset.name} ({plural(len(plan.videos), 'video')}) x "
            f"(clean + {plural(corrupted, 'corrupted condition')}) = {state.total} units -> {shown(folder)}"
        )
        if state.stale:
            self._say(f"{plural(state.stale, 'unit')} scored before data, corruption or code changed: to be run again")
        if state.done:
            self._say(f"resuming: {state.done} done, {len(state.pending)} to do")
        if (self.console.is_terminal or self.console.is_jupyter) and state.pending:
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
