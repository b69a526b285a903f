"""Where the time of a run went: a Chrome / Perfetto trace and three lines of summary."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

Span = tuple[str, float, float]
"""(what, start, seconds): "frames" (waiting for frames), "model", "score", "unit"."""


class TraceWriter:
    """One process's spans, appended to `profile/<pid>.jsonl` of the run directory as trace events."""

    def __init__(self, folder: Path, lane: str) -> None:
        (folder / "profile").mkdir(parents=True, exist_ok=True)
        self._file = (folder / "profile" / f"{os.getpid()}.jsonl").open("a")
        self._pid = os.getpid()
        self._event({"name": "process_name", "ph": "M", "args": {"name": lane}})

    def spans(self, spans: Iterable[Span], **labels: str) -> None:
        """Write spans of one unit; times are `time.perf_counter()` seconds."""
        offset = time.time() - time.perf_counter()
        for name, start, seconds in spans:
            row = {"name": name, "ph": "X", "ts": round(1e6 * (start + offset)), "dur": round(1e6 * seconds)}
            self._event({**row, "args": labels} if name == "unit" else row)
        self._file.flush()

    def _event(self, fields: dict[str, object]) -> None:
        self._file.write(json.dumps({"pid": self._pid, "tid": 1, **fields}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Shares:
    """Shares of the time between a model process's first unit and its last, averaged over processes."""

    model: float
    frames: float
    """Waiting for frames."""
    score: float
    idle: float
    """Between units: scheduling, loading, the end of the run."""

    def lines(self) -> list[str]:
        """Three lines for a person."""
        return [
            f"device busy {100 * self.model:.1f} % of the time",
            f"waited for frames {100 * self.frames:.1f} %, for scoring {100 * self.score:.1f} %",
            f"between units {100 * self.idle:.1f} %",
        ]


def merge(folder: Path) -> Shares | None:
    """Join the processes' spans into `trace.json` (opens in Perfetto and chrome://tracing) and sum them up."""
    events = []
    for path in sorted((folder / "profile").glob("*.jsonl")):
        events += [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    if not events:
        return None
    (folder / "trace.json").write_text(json.dumps({"traceEvents": events}))
    return shares(events)


def shares(events: Iterable[dict[str, Any]]) -> Shares | None:
    """Shares of the spans by name. Each process counts from its first unit's start to its last unit's end."""
    spent: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for event in events:
        if event.get("ph") != "X":
            continue
        pid = event["pid"]
        spent[pid][event["name"]] += event["dur"]
        if event["name"] == "unit":
            first[pid] = min(first.get(pid, event["ts"]), event["ts"])
            last[pid] = max(last.get(pid, 0.0), event["ts"] + event["dur"])
    total = sum(last[p] - first[p] for p in first)
    if total <= 0:
        return None
    model, frames, score = (sum(spent[p][name] for p in first) / total for name in ("model", "frames", "score"))
    return Shares(model, frames, score, max(1 - model - frames - score, 0.0))
