"""What becomes of a finished unit, whatever engine ran it: written, a failure logged, the listener told."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from robust_vos_bench.runs.activity import Activity
from robust_vos_bench.runs.listener import Listener
from robust_vos_bench.runs.records import FrameScores, UnitRecord
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.runs.stop import Stop
from robust_vos_bench.runs.store import RunStore


class Scored(NamedTuple):
    """What a worker gives for one unit."""

    record: UnitRecord
    frames: tuple[FrameScores, ...] = ()
    """J and F by frame."""
    traceback: str = ""
    """Of a failed unit: where somebody else's code raised, whole; for the log, not for records, which go out."""


ATTEMPTS = 3
"""A unit whose process or node dies this often is a failed unit."""


class RecordWriter:
    """The one writer of a run: engines call it with units in any order, from the process that started the run."""

    def __init__(
        self,
        store: RunStore,
        state: RunState,
        listener: Listener,
        stop: Stop,
        fail_fast: bool = False,
        invocation: str = "",
        activity: Activity | None = None,
    ) -> None:
        """invocation: id of the one that computes the units."""
        self.store, self.state, self.stop = store, state, stop
        self.written = 0
        """Units so far."""
        self.invocation = invocation
        self.activity = activity or Activity()
        """What the workers do now; engines keep it."""
        self.listener, self._fail_fast = listener, fail_fast

    def __call__(self, unit: Scored) -> None:
        """Write one unit; it is on disk before the listener is told. Raises WriteError where it cannot be written."""
        record = msgspec.structs.replace(unit.record, invocation=self.invocation)
        self.store.add(record, unit.frames)
        self.state.add(record)
        self.written += 1
        if not record.ok:
            place = {"model": record.model, "condition": record.condition, "video": record.video}
            more = {"traceback": unit.traceback} if unit.traceback else {}
            self.store.log("failed", **place, error=record.error, **more)
            self.stop.asked = self.stop.asked or self._fail_fast
        self.listener.unit(record)
        if unit.traceback:
            self.listener.failed(record, unit.traceback)
