"""What becomes of a finished unit, whatever engine ran it: written, a failure logged, the listener told."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from robust_vos_bench.runs.records import FrameScores, UnitRecord
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.runs.stop import Stop
from robust_vos_bench.runs.store import RunStore

Scored = tuple[UnitRecord, tuple[FrameScores, ...]]
"""One unit: its record and J and F by frame."""
ATTEMPTS = 3
"""A unit whose process or node dies this often is a failed unit."""


class RecordWriter:
    """The one writer of a run: engines call it with units in any order, from the process that started the run."""

    def __init__(
        self,
        store: RunStore,
        state: RunState,
        on_unit: Callable[[UnitRecord], None],
        stop: Stop,
        fail_fast: bool = False,
        invocation: str = "",
    ) -> None:
        """invocation: id of the one that computes the units."""
        self.store, self.state, self.stop = store, state, stop
        self.written = 0
        """Units so far."""
        self.invocation = invocation
        self._on_unit, self._fail_fast = on_unit, fail_fast

    def __call__(self, unit: Scored) -> None:
        """Write one unit; it is on disk before the listener is told. Raises WriteError where it cannot be written."""
        record, frames = msgspec.structs.replace(unit[0], invocation=self.invocation), unit[1]
        self.store.add(record, frames)
        self.state.add(record)
        self.written += 1
        if not record.ok:
            self.store.log(
                "failed", model=record.model, condition=record.condition, video=record.video, error=record.error
            )
            self.stop.asked = self.stop.asked or self._fail_fast
        self._on_unit(record)
