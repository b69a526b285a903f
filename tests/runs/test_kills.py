"""Processes killed at any moment, full and read-only disks, jumping clocks: nothing reported is lost, no score changes.

`RVOS_BENCH_KILLS` is the number of kills of the long test (1,000 by default).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.work.process import plain_main
from robust_vos_bench.system.variables import environment

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork, SIGKILL and /proc are needed")

IN_ONE_PROCESS = ("kill", "torn", "call", "full", "limit", "read-only", "clock")
OF_ITS_PROCESSES = ("worker", "producer")
KILLS = int(os.environ.get("RVOS_BENCH_KILLS", "1000"))


@dataclass
class Toll:
    """What was done to the runs and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    """Run directories that were finished."""
    reported: int = 0
    """Units that were reported as written, all runs together."""
    faults: list[str] = field(default_factory=list)
    """What must not be."""


class Campaign:
    """One run directory after the other: its processes die, it is resumed, and at its end it is held against the
    undisturbed run."""

    def __init__(self, clips: Path, place: Path, seed: int) -> None:
        from helpers.runs import doomed

        self.doomed = doomed
        self.clips, self.place, self.rng = clips, place, random.Random(seed)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["helpers.runs.server"])
        self.toll = Toll()
        self.out = place / "whole"
        self.masks = True
        self.reported: dict[tuple[str, str, str], UnitRecord] = {}
        with environment({"PYTHONPATH": str(Path(__file__).parents[1])}):  # the server looks for `helpers` there
            self._life("none")  # the first process waits for the server's imports
        shutil.rmtree(self.out)
        self.reported.clear()
        start = time.monotonic()
        assert self._life("none") == "done"
        self.seconds = time.monotonic() - start
        self.whole = contents(self.out)
        assert len(self.whole["scores.csv"].splitlines()) == 1 + 3 * 4 * 2 and len(self.reported) == 18
        self.toll = Toll()

    def until(self, kills: int, kinds: tuple[str, ...]) -> Toll:
        """Go on until so many kills have been dealt, and then to the end of the run that is going on."""
        while sum(self.toll.kills.values()) < kills:
            self.out = self.place / f"run{self.toll.runs}"
            self.masks = self.rng.random() < 0.5
            self.reported.clear()
            lives = 0
            while (end := self._life(self.rng.choice(kinds) if lives < 8 else "none")) != "done":
                lives += 1
                if lives > 12 or end.startswith("unexpected") or ("error" in end and not end.startswith("error 4")):
                    self.toll.faults.append(f"{self.out.name}: life {lives} ended with {end!r}")
                    return self.toll
            self._compare()
            self.toll.runs += 1
            shutil.rmtree(self.out)
        return self.toll

    def _life(self, kind: str) -> str:
        """One process of the run: "done", "partial", "killed", or its error."""
        doom = self.doomed.Doom(kind, self.rng.getrandbits(32))
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=self.doomed.work, args=(self.clips, self.out, self.masks, doom, theirs), daemon=False
        )
        with plain_main():
            process.start()
        theirs.close()
        end, alone = "killed", True
        try:
            if kind in ("kill", "clock"):
                time.sleep(self.rng.uniform(0, 1.2 * self.seconds))
                process.kill()
            elif kind in OF_ITS_PROCESSES:
                alone = False
                self._reap(kind, process)
            for said in messages(ours):
                if isinstance(said, bytes):
                    self._take(said)
                elif said != "started":
                    end = said
        finally:
            process.join(60)
            if process.is_alive():
                process.kill()
                self.toll.faults.append(f"{self.out.name}: a process under {kind!r} did not end")
        if alone and kind != "none" and end != "done":
            self.toll.kills[kind] += 1
        if end == "killed" and process.exitcode != -signal.SIGKILL:
            end = f"unexpected exit status {process.exitcode}"
        self._check()
        return end

    def _reap(self, kind: str, process: multiprocessing.process.BaseProcess) -> None:
        """Kill workers (or producers) of a run, and now and then the command as well, until it ends."""
        depth, left = (1, 4) if kind == "worker" else (2, 3)
        while process.is_alive() and left:
            time.sleep(self.rng.uniform(0.05, 1.5))
            found = [pid for level, pid in self.doomed.descendants(process.pid or 0) if level == depth]
            if found:
                try:
                    os.kill(self.rng.choice(found), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.toll.kills[kind] += 1
                left -= 1
        if self.rng.random() < 0.3 and process.is_alive():
            process.kill()
            self.toll.kills["command with workers"] += 1

    def _take(self, said: bytes) -> None:
        record = msgspec.json.decode(said, type=UnitRecord)
        unit = (record.model, record.condition, record.video)
        if not record.ok:
            return
        if unit in self.reported:
            self.toll.faults.append(f"{self.out.name}: {unit} was reported as written, and was run again")
        self.reported[unit] = record
        self.toll.reported += 1

    def _check(self) -> None:
        """What was reported is there, and nothing that is there is half a file."""
        store = RunStore(self.out)
        for unit, record in self.reported.items():
            there = store.records(unit[1], unit[0]).get(unit[2])
            if there != record:
                self.toll.faults.append(f"{self.out.name}: {unit} was reported as written and is {there}")
            kept = store.frame_scores(unit[1], unit[0])
            if any((unit[2], score.object) not in kept for score in record.objects):
                self.toll.faults.append(f"{self.out.name}: {unit} has lost its scores by frame")
        if store.unreadable:
            self.toll.faults.append(f"{self.out.name}: unreadable lines in {store.unreadable}")
        store.manifest()  # raises where it is damaged
        scores = self.out / "scores.csv"
        if scores.is_file() and hasattr(self, "whole"):
            strange = set(scores.read_bytes().splitlines()) - set(self.whole["scores.csv"].splitlines())
            if strange:
                self.toll.faults.append(f"{self.out.name}: scores.csv holds {strange}")

    def _compare(self) -> None:
        """The finished run has the scores (and masks) of the undisturbed one."""
        found = contents(self.out)
        for name, data in self.whole.items():
            if (self.masks or not name.startswith("masks")) and found.get(name) != data:
                self.toll.faults.append(f"{self.out.name}: {name} is not that of the undisturbed run")
        left = [str(path) for path in self.out.rglob("*") if path.name.endswith(".part")]
        if left:
            self.toll.faults.append(f"{self.out.name}: left behind: {left}")


def contents(out: Path) -> dict[str, bytes]:
    """The scores and masks of a run directory."""
    paths = [out / "scores.csv", *(path for path in (out / "masks").rglob("*") if path.is_file())]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def messages(pipe: multiprocessing.connection.Connection) -> Iterator[object]:
    """What a process said, up to its end; a message that death cut short was not said."""
    while True:
        try:
            yield pipe.recv()
        except (EOFError, OSError, ValueError):
            return


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process does not depend on the disk, and it is quicker."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def test_twenty_kills_lose_nothing(clips: Path, place: Path) -> None:
    seed = time.time_ns()
    toll = Campaign(clips, place, seed).until(20, IN_ONE_PROCESS)
    print("seed", seed, toll)
    assert toll.faults == [] and toll.runs and sum(toll.kills.values()) >= 20


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_kills_lose_nothing(clips: Path, place: Path) -> None:
    """Nine of ten strike a run of one process, one of ten a worker or a producer."""
    seed = time.time_ns()
    campaign = Campaign(clips, place, seed)
    campaign.until(KILLS - KILLS // 10, IN_ONE_PROCESS)
    toll = campaign.until(KILLS, OF_ITS_PROCESSES)
    print("seed", seed, toll)
    assert toll.faults == [] and sum(toll.kills.values()) >= KILLS


LOSSES = """
import random, sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
clips, out, model, seed = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
extra = [cluster.add_node(num_cpus=1) for _ in range(4)]
ray.init(address=cluster.address, log_to_driver=False)
def lose():
    rng = random.Random(seed)
    while not list(out.glob("cells/*/*.jsonl")):
        time.sleep(0.02)
    for node in extra:
        cluster.remove_node(node, allow_graceful=False)
        print("lost", flush=True)
        time.sleep(rng.uniform(0, 1))
threading.Thread(target=lose, daemon=True).start()
import robust_vos_bench as rvos
class Reporter(rvos.Listener):
    def unit(self, record):
        print("unit", record.condition, record.video, record.status, flush=True)
try:
    run = rvos.run(model, "salt_and_pepper,pixelate", severity=3, dataset="folder", data_root=clips, output=out,
                   option={"fps": 4}, engine="ray", progress=Reporter(), allow_failures=True)
    print("ended", run.manifest.status, flush=True)
finally:
    ray.shutdown()
    cluster.shutdown()
"""


@pytest.mark.slow
def test_lost_ray_nodes_lose_nothing(clips: Path, tmp_path: Path) -> None:
    """Four of five nodes are killed one after the other; the last one finishes."""
    pytest.importorskip("ray", reason="needs the extra: pip install 'rvos-bench[ray]'")
    import robust_vos_bench as rvos

    model, seed = f"{Path(__file__).with_name('models.py')}:Sleeps", time.time_ns()
    words = {"dataset": "folder", "data_root": clips, "severity": 3, "option": {"fps": 4}, "progress": False}
    grid = "salt_and_pepper,pixelate"
    rvos.run(model, grid, output=tmp_path / "whole", workers=2, **words)  # type: ignore[arg-type]
    command = [sys.executable, "-c", LOSSES, str(clips), str(tmp_path / "out"), model, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=400, check=False)
    said = done.stdout.splitlines()
    assert done.returncode == 0 and said.count("lost") == 4, (seed, done.stderr)
    written = [line.split()[1:3] for line in said if line.startswith("unit") and line.endswith(" ok")]
    assert len({tuple(unit) for unit in written}) == len(written), "no reported unit runs again"
    store = RunStore(tmp_path / "out")
    assert all(store.records(condition, "sleeps[fps=4.0]")[video].ok for condition, video in written)
    rvos.run(model, grid, output=tmp_path / "out", workers=1, **words)  # type: ignore[arg-type]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole"), seed
