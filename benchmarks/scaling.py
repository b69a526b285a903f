"""How the engine scales: frames per second on 1 and 2 local workers and on 1, 2 and 4 Ray nodes. Prints Markdown rows.

    python benchmarks/scaling.py --fps 20,60,200 [--engine local,ray]

The model sleeps like a GPU of a given speed (`benchmarks/sleeping.py`), on clips of 70 frames of 64 x 64: the
engine is measured, not the cores. Ray nodes are raylets of one CPU each on this machine (`ray.cluster_utils.Cluster`).
Throughput counts from the moment every worker has done its first unit, to the last unit. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FRAMES, SIDE = 70, 64
SECONDS = 12.0
"""Of work for every worker."""
MODEL = Path(__file__).with_name("sleeping.py")


def write_clips(root: Path, videos: int) -> None:
    """A folder data set of small clips with one moving object."""
    rng = np.random.default_rng(0)
    for video in range(videos):
        images, masks = root / "JPEGImages" / f"v{video:03}", root / "Annotations" / f"v{video:03}"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        base = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        for t in range(FRAMES):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[10:40, 4 + t // 4 : 30 + t // 4] = 1
            Image.fromarray(np.roll(base, t, axis=1)).save(images / f"{t:05}.jpg")
            Image.fromarray(mask).save(masks / f"{t:05}.png")


def run(fps: float, engine: str, workers: int, leave: float = 0.0) -> dict[str, float]:
    """One run in this process: throughput, and where the time of a unit went.

    leave: seconds after the first unit at which the last Ray node is killed; another one takes its place at once.
    """
    from robust_vos_bench.conditions import select
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.runs.build import build_model, build_plan
    from robust_vos_bench.runs.engine import Engine
    from robust_vos_bench.runs.local.engine import LocalEngine
    from robust_vos_bench.runs.plan import Group, Plan
    from robust_vos_bench.runs.records import UnitRecord
    from robust_vos_bench.runs.run import Listener, run_plan
    from robust_vos_bench.runs.writer import RecordWriter, Scored

    class Clock(Listener):
        """Notes when each unit was on disk."""

        def __init__(self) -> None:
            self.times: list[float] = []
            self.busy: list[float] = []
            self.records: list[UnitRecord] = []

        def unit(self, record: UnitRecord) -> None:
            self.times.append(time.perf_counter())
            self.busy.append(time.process_time())
            self.records.append(record)

    units = workers * max(4, round(SECONDS / (FRAMES / fps)))
    writing: list[float] = []
    sizes: list[int] = []
    called: list[float] = []

    class TimedWriter(RecordWriter):
        """Notes how long writing a unit takes."""

        def __call__(self, unit: Scored) -> None:
            sizes.append(len(pickle.dumps(unit)))
            start = time.perf_counter()
            super().__call__(unit)
            writing.append(time.perf_counter() - start)

    class TimedEngine:
        """Another engine, with a writer that is timed."""

        def __init__(self, engine: Engine) -> None:
            self.engine = engine

        def ready(self) -> None:
            self.engine.ready()

        def __call__(self, plan: Plan, groups: Sequence[Group], write: RecordWriter) -> None:
            called.append(time.perf_counter())
            self.engine(
                plan,
                groups,
                TimedWriter(write.store, write.state, write.listener, write.stop, invocation=write.invocation),
            )

    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        write_clips(clips, units // 2)
        conditions, info = select(["pixelate"], [3])
        data = open_dataset("folder", clips)
        plan = build_plan([build_model(f"{MODEL}:Sleeping", options={"fps": fps})], data, conditions, info)
        clock = Clock()
        if engine == "local":
            run_plan(
                plan, Path(folder) / "out", ["cpu"] * workers, clock, engine=TimedEngine(LocalEngine(["cpu"] * workers))
            )
        else:
            with_ray(
                workers,
                lambda ray_engine: run_plan(plan, Path(folder) / "out", ["cpu"], clock, engine=TimedEngine(ray_engine)),
                lambda: clock.times,
                leave,
            )
    warm = workers if workers > 1 or engine == "ray" else 1
    after = clock.records[warm:]
    seconds = clock.times[-1] - clock.times[warm - 1]
    spent = [r.seconds_model + r.seconds_frames + r.seconds_score for r in clock.records]
    each = sum(spent[warm:]) / len(after)
    return {
        "units": len(clock.records),
        "frames_a_second": sum(r.frames for r in after) / seconds,
        "unit_seconds": each,
        "beside_ms": 1000 * sum(r.seconds_frames + r.seconds_score for r in after) / len(after) / FRAMES,
        "write_ms": 1000 * statistics.median(writing),
        # Beside what a unit takes: from one to the next at a worker, and of the process that hands out and writes.
        "gap_ms": 1000 * (seconds * workers / len(after) - each),
        "driver_cpu_ms": 1000 * (clock.busy[-1] - clock.busy[warm - 1]) / len(after),
        "result_bytes": statistics.median(sizes),
        "seconds": clock.times[-1] - clock.times[0],
        "start_seconds": clock.times[0] - called[0] - spent[0],
    }


def with_ray(
    nodes: int, work: Callable[[Any], Any], units: Callable[[], Sequence[float]] = list, leave: float = 0.0
) -> None:
    """Do something with an engine on a cluster of so many nodes. units: times of units so far; leave: as of `run`."""
    import ray
    from ray.cluster_utils import Cluster

    from robust_vos_bench.runs.ray.engine import RayEngine

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    added = [cluster.add_node(num_cpus=1) for _ in range(nodes - 1)]
    ray.init(address=cluster.address, log_to_driver=False)

    try:
        if not leave:
            work(RayEngine())
            return
        worker = threading.Thread(target=work, args=(RayEngine(),))  # nodes are started by the main thread only
        worker.start()
        while not units():
            time.sleep(0.02)
        time.sleep(leave)
        gone = time.perf_counter()
        cluster.remove_node(added[-1], allow_graceful=False)
        cluster.add_node(num_cpus=1)
        print(f"another node after {time.perf_counter() - gone:.1f} s", flush=True)
        worker.join()
    finally:
        ray.shutdown()
        cluster.shutdown()


def main() -> None:
    """Every case in a process of its own; a Markdown row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fps", default="20,60,200")
    parser.add_argument("--engine", default="local,ray")
    parser.add_argument(
        "--case", help="one case, as JSON: FPS,ENGINE,WORKERS[,SECONDS until a node is lost and replaced]"
    )
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if given.case:
        fps, engine, workers, *leave = given.case.split(",")
        print(json.dumps(run(float(fps), engine, int(workers), *map(float, leave))))
        return
    print(
        "| engine | workers | model, fps | frames / s | efficiency | unit, s | other work, ms per frame | write, ms |"
    )
    print("|:--|--:|--:|--:|--:|--:|--:|--:|")
    for fps in given.fps.split(","):
        for engine in given.engine.split(","):
            alone = 0.0
            for workers in (1, 2) if engine == "local" else (1, 2, 4):
                words = [sys.executable, __file__, "--case", f"{fps},{engine},{workers}"]
                done = subprocess.run(words, check=True, capture_output=True, text=True)
                found = json.loads(done.stdout.splitlines()[-1])
                alone = alone or found["frames_a_second"]
                efficiency = found["frames_a_second"] / alone / workers
                numbers = f"{found['frames_a_second']:.1f} | {efficiency:.2f} | {found['unit_seconds']:.3f}"
                beside = f"{found['beside_ms']:.2f} | {found['write_ms']:.1f}"
                print(
                    f"| {engine} | {workers} | {fps} | {numbers} | {beside} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
