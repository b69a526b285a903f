"""A cluster of up to 64 nodes on paper, with constants that are measured on one machine.

    python benchmarks/cluster_model.py --measure     # constants of this machine -> benchmarks/cluster_model.json
    python benchmarks/cluster_model.py               # the table of docs/scaling.md, from these constants

Every node has one GPU that is simulated event by event: it starts, works through the groups that the driver gives it
(as `runs/ray/lanes.py` does: one runs, one waits), and stands still where the driver is late or nothing is left. The
driver deals with one event at a time: it takes a record, hands out, and writes. The study is preset `common` on thirty
videos.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".json")
LENGTHS = [round(x) for x in np.linspace(34, 104, 30)]
"""Frames of thirty videos, as long as those of DAVIS 2017 val are: 34 to 104, 69 in the mean."""
CONDITIONS = 76
"""Clean, and 15 corruptions at five severities."""
CALLS = 2
"""Groups that run or wait at a lane."""


@dataclass(frozen=True)
class Constants:
    """What one machine tells. Milliseconds of CPU or of waiting."""

    frame_ms: float
    """Between two frames of a unit, beside the model: waiting for frames, scoring."""
    gap_ms: float
    """From the end of a unit to the beginning of the next one at a lane that has it already."""
    start_seconds: float
    """From asking for a lane to its first unit, the loading of a model left out."""
    event_ms: float
    """CPU time of the driver per unit, with few lanes."""
    event_ms_per_lane: float
    """The same, more for every lane that it listens to."""
    write_ms: float
    """Writing and syncing a record, on a quiet disk."""
    trip_ms: float
    """A message to a lane and back, on one machine."""
    result_bytes: float
    """Of a unit of 70 frames and one object."""


@dataclass
class Study:
    """What became of a simulated run."""

    seconds: float
    nodes: int
    model_seconds: float
    driver_seconds: float
    lost: Mapping[str, float]
    """Node-seconds beside the model, by cause."""

    @property
    def utilisation(self) -> float:
        """Share of all nodes' time in which the model works."""
        return self.model_seconds / (self.seconds * self.nodes)

    @property
    def limit(self) -> str:
        """What most of the rest goes to."""
        cause, lost = max(self.lost.items(), key=lambda item: item[1])
        return f"{cause} ({100 * lost / (self.seconds * self.nodes):.1f} %)"


@dataclass
class _Lane:
    """One node."""

    inbox: deque[int]
    """Frames of the groups that have arrived and wait."""
    held: int = 0
    """Groups that the driver believes it has."""
    working: bool = False
    ended: float = 0.0
    """When it was done with the last unit, or began."""


class Simulation:
    """One run, event by event. lengths: frames of every group, in order. write_ms: instead of the measured one."""

    def __init__(self, nodes: int, fps: float, c: Constants, lengths: Sequence[int], write_ms: float) -> None:
        self.fps, self.c, self.write = fps, c, write_ms / 1000
        self.take = (c.event_ms + nodes * c.event_ms_per_lane) / 1000
        self.queue = deque(lengths)
        self.lanes = [_Lane(deque()) for _ in range(nodes)]
        self.lost: defaultdict[str, float] = defaultdict(float)
        self.driver = self.busy = self.worked = 0.0
        self._events: list[tuple[float, int, str, int, int]] = []
        self._order = 0
        for place in range(nodes):
            self._later(c.start_seconds, "begun", place)

    def _later(self, when: float, what: str, place: int, frames: int = 0) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, what, place, frames))

    def run(self) -> Study:
        """All events up to the last record."""
        while self._events:
            now, _, what, place, frames = heapq.heappop(self._events)
            lane = self.lanes[place]
            if what == "begun":
                lane.ended = now
                self.lost["starting"] += now
                self._hear(now, lane, place, record=False)
            elif what == "arrives":
                lane.inbox.append(frames)
                if not lane.working:
                    self.lost["waiting for the driver"] += now - lane.ended
                    self._start(now, lane, place)
            elif what == "ends":
                lane.ended, lane.working = now, False
                self._later(now + self.c.trip_ms / 2000, "told", place)
                if lane.inbox:
                    self.lost["between units"] += self.c.gap_ms / 1000
                    self._start(now + self.c.gap_ms / 1000, lane, place)
            else:
                lane.held -= 1
                self._hear(now, lane, place, record=True)
        end = max(self.driver, *(lane.ended for lane in self.lanes))
        self.lost["nothing left to do"] += sum(end - lane.ended for lane in self.lanes)
        return Study(end, len(self.lanes), self.worked, self.busy, self.lost)

    def _start(self, now: float, lane: _Lane, place: int) -> None:
        frames = lane.inbox.popleft()
        lane.working = True
        self.worked += frames / self.fps
        self.lost["between frames"] += frames * self.c.frame_ms / 1000
        self._later(now + frames * (1 / self.fps + self.c.frame_ms / 1000), "ends", place)

    def _hear(self, now: float, lane: _Lane, place: int, record: bool) -> None:
        """The driver, when it has time: hands out, then writes."""
        handed = max(self.driver, now) + self.take
        while self.queue and lane.held < CALLS:
            lane.held += 1
            self._later(handed + self.c.trip_ms / 2000, "arrives", place, self.queue.popleft())
        spent = self.take + record * self.write
        self.driver = max(self.driver, now) + spent
        self.busy += spent


def simulate(nodes: int, fps: float, constants: Constants, write_ms: float | None = None) -> Study:
    """Preset `common` on thirty videos by one model. write_ms: instead of the measured one."""
    write = constants.write_ms if write_ms is None else write_ms
    return Simulation(nodes, fps, constants, LENGTHS * CONDITIONS, write).run()


def table(constants: Constants) -> str:
    """Markdown: what is to be expected of 1 to 64 nodes."""
    lines = [
        "| nodes | model, fps | hours | frames / s | model works | most of the rest | driver busy | disk of 10 ms |",
        "|--:|--:|--:|--:|--:|:--|--:|--:|",
    ]
    frames = sum(LENGTHS) * CONDITIONS
    for fps in (20, 60, 200):
        for nodes in (1, 4, 16, 64):
            found, slow = simulate(nodes, fps, constants), simulate(nodes, fps, constants, 10.0)
            lines.append(
                f"| {nodes} | {fps} | {found.seconds / 3600:.2f} | {frames / found.seconds:.0f} "
                f"| {100 * found.utilisation:.1f} % | {found.limit} "
                f"| {100 * found.driver_seconds / found.seconds:.1f} % | {100 * slow.utilisation:.1f} % |"
            )
    return "\n".join(lines)


def measure() -> Constants:
    """Constants of this machine: lanes of one CPU each on one node, a model of 200 fps that sleeps."""
    found = {}
    for nodes in (1, 2, 4):
        words = [sys.executable, str(Path(__file__).with_name("scaling.py")), "--case", f"200,ray,{nodes}"]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        found[nodes] = json.loads(done.stdout.splitlines()[-1])
        print(nodes, found[nodes], file=sys.stderr, flush=True)
    per_lane = max((found[4]["driver_cpu_ms"] - found[1]["driver_cpu_ms"]) / 3, 0.0)
    one = found[1]
    return Constants(
        frame_ms=round(1000 * one["unit_seconds"] / 70 - 5, 3),
        gap_ms=round(one["gap_ms"], 2),
        start_seconds=round(one["start_seconds"], 2),
        event_ms=round(max(one["driver_cpu_ms"] - per_lane, 0.0), 3),
        event_ms_per_lane=round(per_lane, 4),
        write_ms=round(min(case["write_ms"] for case in found.values()), 2),
        trip_ms=round(trip(), 2),
        result_bytes=round(one["result_bytes"]),
    )


def trip() -> float:
    """Milliseconds of an empty call of an actor and its answer, median of 200."""
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:

        class Echo:
            """Answers."""

            def echo(self) -> int:
                """One number."""
                return 0

        actor: Any = ray.remote(num_cpus=0)(Echo).remote()
        times = []
        for _ in range(220):
            start = time.perf_counter()
            ray.get(actor.echo.remote())
            times.append(1000 * (time.perf_counter() - start))
        return float(np.median(times[20:]))
    finally:
        ray.shutdown()


def load() -> Constants:
    """The constants that were measured last."""
    found = json.loads(FILE.read_text())
    return Constants(**{field.name: found[field.name] for field in fields(Constants)})


def main() -> None:
    """Measure, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the constants of this machine (two minutes)")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if given.measure:
        FILE.write_text(json.dumps(asdict(measure()), indent=2) + "\n")
    print(table(load()))


if __name__ == "__main__":
    main()
