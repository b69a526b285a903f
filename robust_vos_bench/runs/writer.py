"""What every engine does with a finished unit: write it, log a failure, tell the listener."""

from __future__ import annotations

from collections.abc import Callable

from robust_vos_bench.runs.records import FrameScores, UnitRecord
from robust_vos_bench.runs.stop import Stop
from robust_vos_bench.runs.store import RunStore

Result = tuple[UnitRecord, tuple[FrameScores, ...]]
"""One unit: its record and J and F by frame."""
ATTEMPTS = 3
"""A unit whose process or node dies this often is a failed unit."""


class RecordWriter:
    """The one writer of a run: engines call it with results in any order, from the process that started the run."""

    def __init__(
        self, store: RunStore, on_unit: Callable[[UnitRecord], None], stop: Stop, fail_fast: bool = False
    ) -> None:
        self.store, self.stop = store, stop
        self.entered = 0
        """Results so far."""
        self._on_unit, self._fail_fast = on_unit, fail_fast

    def __call__(self, result: Result) -> None:
        """Enter one result; it is on disk before the listener hears of it. Raises WriteError where it cannot be."""
        record, frames = result
        self.store.add(record, frames)
        self.entered += 1
        if not record.ok:
            self.store.log(
                "failed", model=record.model, condition=record.condition, video=record.video, error=record.error
            )
            self.stop.asked = self.stop.asked or self._fail_fast
        self._on_unit(record)
