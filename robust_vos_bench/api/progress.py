"""What a run shows while it goes on; on stderr."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from robust_vos_bench.analysis.words import plural
from robust_vos_bench.datasets.lengths import frames_of
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.activity import Activity
from robust_vos_bench.runs.cost.estimate import Estimate, Workers, estimate
from robust_vos_bench.runs.cost.pace import Pace, in_words
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.run import Listener
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.system.causes import Causes
from robust_vos_bench.system.live import LiveLine, Reading
from robust_vos_bench.system.waits import heard_by

WORTH_AN_ESTIMATE = 2000
"""Frames from which a run says beforehand how long it will take; looking up what was timed takes a moment."""


def shown(folder: Path) -> Path:
    """A folder as a person would type it here: relative where it lies below the working directory."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) and folder != here else folder


class ProgressListener(Listener):
    """Frames, frames per second, elapsed and remaining time, and what is waited for; failures, each cause once.

    quiet: nothing but failures. debug: with every new failure its whole traceback. workers: the processes of the run,
    for the estimate; None where that cannot be told beforehand.
    """

    def __init__(self, quiet: bool = False, debug: bool = False, workers: Workers | None = None) -> None:
        self.quiet, self.debug, self.workers = quiet, debug, workers
        self._line = LiveLine(self._read, quiet)
        self._causes, self._warned = Causes(), Causes()
        self._activity = Activity()
        self._pace: Pace | None = None
        self._wait = ""
        self._there = self._units = self._failed = 0
        self._most = 0
        self._new = False
        """Whether the failure told last had a cause of its own."""
        self._start = self._first = time.monotonic()

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Within this block, also before `started`, a line says what is waited for."""
        with heard_by(self._heard):
            self._line.start()
            try:
                yield
            finally:
                self._line.stop()

    def notice(self, text: str) -> None:
        """What somebody should know before the run starts."""
        if not self.quiet:
            self._line.say(text)

    def started(self, plan: Plan, state: RunState, folder: Path) -> None:
        """Say what will be done and how long that will take, and start the line."""
        self._start = self._first = time.monotonic()
        if self.quiet:
            return
        corrupted = len(plan.conditions) - 1
        self.notice(
            f"{plural(len(plan.models), 'model')} x {plan.dataset.name} ({plural(len(plan.videos), 'video')}) x "
            f"(clean + {plural(corrupted, 'corrupted condition')}) = {plural(state.total, 'unit')} -> {shown(folder)}"
        )
        if state.stale:
            self.notice(
                f"{plural(state.stale, 'unit')} scored before data, corruption or code changed: to be run again"
            )
        if state.done:
            self.notice(f"resuming: {state.done} done, {len(state.pending)} to do")
        if not state.pending:
            return
        self._units = len(state.pending)
        lengths = {name: frames_of(plan.dataset, name) for name in plan.videos}
        pending = sum(lengths.get(unit.video, 0) for unit in state.pending)
        # What is done counts from the start, so that the line of a run that goes on does not begin at nothing.
        self._there = sum(lengths.values()) * len(plan.models) * len(plan.conditions) - pending
        before: Estimate | None = None
        if self.workers is not None and pending >= WORTH_AN_ESTIMATE:
            before = estimate(plan, state.pending, folder, self.workers, may_probe=False)
            self.notice(f"{pending:,} frames to segment: {in_words(before)}")
        self._pace = Pace(plan, state.pending, lengths, before)
        self._first = time.monotonic()
        self._line.start()  # where `showing` has not

    def working(self, activity: Activity) -> None:
        """What the workers do is read from here on."""
        self._activity = activity

    def unit(self, record: UnitRecord) -> None:
        """Count it; tell a failure or a warning whose cause is new."""
        if self._pace is not None:
            self._pace.add(record)
        place = f"{record.model} · {record.condition} · {record.video}"
        if not record.ok:
            self._failed += 1
            # Of data the file is the cause, and each is named.
            exact = record.error_code == DataError.exit_code
            self._new = self._causes.is_new(record.error, (record.video, record.condition, record.model), exact)
            if self._new:
                self._line.say(f"! {place}: {record.error}")
        for warning in record.warnings:
            if self._warned.is_new(warning, (record.video,)) and not self.quiet:
                self._line.say(f"~ {place}: {warning}")

    def failed(self, record: UnitRecord, traceback: str) -> None:
        """The traceback, where the failure was told."""
        if self.debug and self._new:
            self._line.say(traceback)

    def interrupted(self) -> None:
        """Ctrl-C once."""
        self._line.say("interrupted: finishing what is in flight (Ctrl-C again to stop now); the same command resumes")

    def finished(self) -> None:
        """Take the line away; say how often each failure was met."""
        self._line.stop()
        for text in self._causes.repeated():
            self._line.say(f"! {text}")

    def _heard(self, what: str) -> None:
        self._wait = what

    def _read(self) -> Reading:
        """What the line says; called from its thread."""
        now = time.monotonic()
        pace = self._pace
        if pace is None:
            return Reading(self._wait or "looking at the data", elapsed=now - self._start)
        in_flight = self._activity.frames()
        # Between the last frame of a unit and its record it counts in neither: what was shown once stays.
        self._most = max(self._most, min(pace.settled + in_flight, pace.total))
        if not in_flight and not pace.settled:
            self._first = now
        seconds = now - self._first
        segmented = pace.segmented + in_flight
        rate = f"{segmented / seconds:.1f} fps" if segmented and seconds > 0.5 else ""
        return Reading(
            self._activity.text(),
            self._there + self._most,
            self._there + pace.total,
            "frames",
            rate=rate,
            elapsed=now - self._start,
            left=pace.left(self._most - pace.settled, self._activity.workers, seconds),
            failed=self._failed,
        )
